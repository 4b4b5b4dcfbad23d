-- Records: a row for each idempotent call, and one function for each operation.
--
-- A row whose expires_at is over counts as absent. It is swept an hour later, so that tokens grow also when the server's
-- clock steps back a little.

create table holdfast.records (
  key text collate "C" primary key,
  state text collate "C" not null check (state in ('running', 'done', 'dropped')),
  owner text collate "C" not null,
  token bigint not null,
  began_at timestamptz not null,
  lease_until timestamptz not null,
  fingerprint text,
  meta text not null,
  -- The execution that this one took over.
  lost_at timestamptz,
  lost_fingerprint text,
  lost_meta text,
  value text,
  done_at timestamptz,
  expires_at timestamptz not null
) with (fillfactor = 70);

-- Reads the outcome of an execution or claims the execution, in one step.
--
-- Answers claimed with number = token and, after a takeover, what is known of the lost execution; running with number =
-- ms left and meta; lapsed with what is known; mismatch; or done with value, number = age in ms, and meta.
-- Safe to send again: the owner's id gets the same claim again.
create function holdfast.record_begin(
  p_key text, p_id text, p_lease bigint, p_ttl bigint, p_fingerprint text, p_meta text,
  p_takeover text,
  out state text, out number text, out began text, out fingerprint text, out meta text,
  out value text
) language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  lease constant interval := p_lease * interval '1 millisecond';
  kept constant interval := greatest(p_lease, p_ttl) * interval '1 millisecond';
  moment timestamptz;
  live boolean;
  locked boolean := false;
  lost boolean;
  r holdfast.records;
begin
  loop
    moment := clock_timestamp();
    insert into holdfast.records
      (key, state, owner, token, began_at, lease_until, fingerprint, meta, expires_at)
    values (p_key, 'running', p_id, (extract(epoch from moment) * 1000000)::bigint, moment,
      moment + lease, p_fingerprint, p_meta, moment + kept)
    on conflict (key) do nothing
    returning token into record_begin.number;
    if found then
      record_begin.state := 'claimed';
      return;
    end if;

    -- Most answers change nothing, and need no lock.
    if locked then
      select * into r from holdfast.records where key = p_key for update;
    else
      select * into r from holdfast.records where key = p_key;
    end if;
    continue when not found;
    moment := clock_timestamp();
    live := r.expires_at > moment and r.state <> 'dropped';
    if live then
      -- Checked first, so that another payload learns nothing of the record.
      if r.fingerprint <> p_fingerprint then
        record_begin.state := 'mismatch';
        return;
      end if;
      if r.state = 'done' then
        if r.value is null or r.done_at is null then
          raise exception 'an outcome is not of the form that this library writes' using errcode = 'HF001';
        end if;
        record_begin.state := 'done';
        record_begin.number := greatest(0, floor(extract(epoch from moment - r.done_at) * 1000))::bigint;
        record_begin.meta := r.meta;
        record_begin.value := r.value;
        return;
      end if;
      if r.owner = p_id then
        record_begin.state := 'claimed';
        record_begin.number := r.token;
        if r.lost_at is not null then
          record_begin.began := floor(extract(epoch from r.lost_at) * 1000)::bigint;
          record_begin.fingerprint := r.lost_fingerprint;
          record_begin.meta := r.lost_meta;
        end if;
        return;
      end if;
      if r.lease_until > moment then
        record_begin.state := 'running';
        record_begin.number := ceil(extract(epoch from r.lease_until - moment) * 1000)::bigint;
        record_begin.meta := r.meta;
        return;
      end if;
      record_begin.began := floor(extract(epoch from r.began_at) * 1000)::bigint;
      record_begin.fingerprint := r.fingerprint;
      record_begin.meta := r.meta;
      if p_takeover = 'never' then
        record_begin.state := 'lapsed';
        return;
      end if;
    end if;
    exit when locked;
    locked := true;
  end loop;

  update holdfast.records set
    state = 'running',
    owner = p_id,
    token = greatest(r.token + 1, (extract(epoch from moment) * 1000000)::bigint),
    began_at = case when live and p_takeover = 'recover' then r.began_at else moment end,
    lease_until = moment + lease,
    fingerprint = coalesce(p_fingerprint, case when live then r.fingerprint end),
    meta = case when live and p_takeover = 'recover' then r.meta else p_meta end,
    lost_at = case when live then r.began_at end,
    lost_fingerprint = case when live then r.fingerprint end,
    lost_meta = case when live then r.meta end,
    value = null,
    done_at = null,
    expires_at = moment + kept
  where key = p_key
  returning token into record_begin.number;
  record_begin.state := 'claimed';
end
$$;

-- Prolongs a claim; never creates one. A lease of 0 lets it lapse now. Answers whether the claim was still the id's.
create function holdfast.record_renew(p_key text, p_id text, p_lease bigint)
returns text language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  lease constant interval := p_lease * interval '1 millisecond';
begin
  update holdfast.records set
    lease_until = clock_timestamp() + lease,
    expires_at = greatest(expires_at, clock_timestamp() + lease)
  where key = p_key and owner = p_id and state = 'running' and expires_at > clock_timestamp();
  return case when found then '1' else '0' end;
end
$$;

-- Keeps the outcome of an execution, if its claim is still the id's; the same commit again is acknowledged.
create function holdfast.record_commit(
  p_key text, p_id text, p_value text, p_ttl bigint, p_meta text
) returns text language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  update holdfast.records set
    state = 'done',
    value = p_value,
    meta = p_meta,
    done_at = clock_timestamp(),
    expires_at = clock_timestamp() + p_ttl * interval '1 millisecond'
  where key = p_key and owner = p_id and state = 'running' and expires_at > clock_timestamp();
  if found then
    return '1';
  end if;
  perform from holdfast.records
    where key = p_key and owner = p_id and state = 'done' and expires_at > clock_timestamp();
  return case when found then '1' else '0' end;
end
$$;

-- Forgets a claim, so that the next caller executes. Answers whether the claim was the id's.
create function holdfast.record_drop(p_key text, p_id text)
returns text language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  update holdfast.records set state = 'dropped', expires_at = clock_timestamp()
  where key = p_key and owner = p_id and state = 'running' and expires_at > clock_timestamp();
  return case when found then '1' else '0' end;
end
$$;

-- Looks at the next records by name and drops those that are long over. Answers the last name, or null.
create function holdfast.record_sweep(p_after text, p_limit integer)
returns text language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  over constant timestamptz := clock_timestamp() - interval '1 hour';
  last text;
  gone text[];
begin
  select max(key), array_agg(key) filter (where expires_at < over) into last, gone
  from (select key, expires_at from holdfast.records where key > p_after order by key limit p_limit) r;
  if gone is not null then
    delete from holdfast.records where key in (
      select key from holdfast.records where key = any (gone) and expires_at < over
      for update skip locked);
  end if;
  return last;
end
$$;

insert into holdfast.migrations (version) values (2);
