-- Histories: a row for where each stands, and a row for each of its entries, which may be large.
--
-- A history whose expires_at is over counts as absent. Its row is locked by whoever writes, which orders all writes.

create table holdfast.histories (
  key text collate "C" primary key,
  token bigint not null,
  -- Of the latest entry; -1 when there is none.
  sequence bigint not null,
  expires_at timestamptz not null
) with (fillfactor = 70);

create table holdfast.entries (
  history text collate "C" not null,
  sequence bigint not null,
  value text not null,
  written_at timestamptz not null,
  meta text not null,
  primary key (history, sequence)
);

-- An entry's time as the library reads it.
create function holdfast.epoch_ms(p_at timestamptz) returns bigint language sql immutable as $$
  select floor(extract(epoch from p_at) * 1000)::bigint
$$;

-- Takes a history over, unless a greater token was there before.
--
-- Answers current, with the latest entry if there is one; or stale, with the token and sequence that stand.
create function holdfast.history_open(
  p_key text, p_token bigint, p_ttl bigint,
  out state text, out token text, out sequence text, out value text, out at text, out meta text
) language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  ttl constant interval := p_ttl * interval '1 millisecond';
  h holdfast.histories;
begin
  history_open.state := 'current';
  insert into holdfast.histories as h (key, token, sequence, expires_at)
  values (p_key, p_token, -1, clock_timestamp() + ttl)
  on conflict (key) do update set token = excluded.token, expires_at = clock_timestamp() + ttl
  where h.expires_at > clock_timestamp() and h.token <= excluded.token
  returning * into h;
  if not found then
    -- Locked by the attempt.
    select * into h from holdfast.histories where key = p_key;
    if h.expires_at > clock_timestamp() then
      history_open.state := 'stale';
      history_open.token := h.token;
      history_open.sequence := h.sequence;
      return;
    end if;
    update holdfast.histories set
      token = p_token, sequence = -1, expires_at = clock_timestamp() + ttl
    where key = p_key;
    delete from holdfast.entries where history = p_key;
    return;
  end if;
  select e.sequence, e.value, holdfast.epoch_ms(e.written_at), e.meta
  into history_open.sequence, history_open.value, history_open.at, history_open.meta
  from holdfast.entries e where history = p_key and e.sequence = h.sequence;
end
$$;

-- Writes an entry unless it comes too late; the same token and sequence again replaces it.
--
-- Answers as history_open, without an entry.
create function holdfast.history_append(
  p_key text, p_token bigint, p_sequence bigint, p_value text, p_keep integer, p_ttl bigint,
  p_meta text, out state text, out token text, out sequence text
) language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  ttl constant interval := p_ttl * interval '1 millisecond';
  h holdfast.histories;
begin
  history_append.state := 'current';
  insert into holdfast.histories as h (key, token, sequence, expires_at)
  values (p_key, p_token, p_sequence, clock_timestamp() + ttl)
  on conflict (key) do update set
    token = excluded.token, sequence = excluded.sequence, expires_at = clock_timestamp() + ttl
  where h.expires_at > clock_timestamp()
    and (h.token, h.sequence) <= (excluded.token, excluded.sequence);
  if not found then
    -- Locked by the attempt.
    select * into h from holdfast.histories where key = p_key;
    if h.expires_at > clock_timestamp() then
      history_append.state := 'stale';
      history_append.token := h.token;
      history_append.sequence := h.sequence;
      return;
    end if;
    update holdfast.histories set
      token = p_token, sequence = p_sequence, expires_at = clock_timestamp() + ttl
    where key = p_key;
    delete from holdfast.entries where history = p_key;
  end if;
  -- Left by a smaller token.
  delete from holdfast.entries where history = p_key and sequence > p_sequence;
  insert into holdfast.entries (history, sequence, value, written_at, meta)
  values (p_key, p_sequence, p_value, clock_timestamp(), p_meta)
  on conflict (history, sequence) do update set
    value = excluded.value, written_at = excluded.written_at, meta = excluded.meta;
  perform holdfast.history_cut(p_key, p_keep);
end
$$;

-- Drops all but the latest entries; answers how many that were.
create function holdfast.history_cut(p_key text, p_keep integer)
returns bigint language plpgsql as $$
declare
  cut bigint;
begin
  delete from holdfast.entries where history = p_key and sequence <= (
    select sequence from holdfast.entries where history = p_key
    order by sequence desc offset p_keep limit 1);
  get diagnostics cut = row_count;
  return cut;
end
$$;

-- The entry of a sequence, or the latest one; no row when there is none.
create function holdfast.history_read(
  p_key text, p_sequence bigint,
  out sequence text, out value text, out at text, out meta text
) returns setof record language sql stable set search_path = pg_catalog, pg_temp as $$
  select e.sequence::text, e.value, holdfast.epoch_ms(e.written_at)::text, e.meta
  from holdfast.histories h
  join holdfast.entries e on e.history = h.key and e.sequence = coalesce(p_sequence, h.sequence)
  where h.key = p_key and h.expires_at > clock_timestamp()
$$;

-- All entries, the latest first: [[sequence, value, at, meta]…].
create function holdfast.history_list(p_key text)
returns text language sql stable set search_path = pg_catalog, pg_temp as $$
  select coalesce(json_agg(json_build_array(
    e.sequence, e.value, holdfast.epoch_ms(e.written_at), e.meta) order by e.sequence desc), '[]')::text
  from holdfast.histories h join holdfast.entries e on e.history = h.key
  where h.key = p_key and h.expires_at > clock_timestamp()
$$;

-- Drops all but the latest entries; answers how many that were.
create function holdfast.history_trim(p_key text, p_keep integer)
returns text language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  update holdfast.histories set sequence = case when p_keep > 0 then sequence else -1 end
  where key = p_key and expires_at > clock_timestamp();
  return case when found then holdfast.history_cut(p_key, p_keep) else 0 end;
end
$$;

-- Forgets a history; answers whether there was one.
create function holdfast.history_remove(p_key text)
returns text language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  was boolean;
begin
  delete from holdfast.histories where key = p_key returning expires_at > clock_timestamp() into was;
  delete from holdfast.entries where history = p_key;
  return case when was then '1' else '0' end;
end
$$;

-- Looks at the next histories by name and drops those that are long over. Answers the last name, or null.
create function holdfast.history_sweep(p_after text, p_limit integer)
returns text language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  over constant timestamptz := clock_timestamp() - interval '1 hour';
  last text;
  gone text[];
begin
  select max(key), array_agg(key) filter (where expires_at < over) into last, gone
  from (select key, expires_at from holdfast.histories where key > p_after order by key limit p_limit) h;
  if gone is not null then
    with dropped as (
      delete from holdfast.histories where key in (
        select key from holdfast.histories where key = any (gone) and expires_at < over
        for update skip locked)
      returning key)
    delete from holdfast.entries e using dropped where e.history = dropped.key;
  end if;
  return last;
end
$$;

insert into holdfast.migrations (version) values (5);
