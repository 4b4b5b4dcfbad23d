-- Records: a row for each outcome that is produced once or once in a while, and one function for each operation.
--
-- A row has a claim, an outcome, an outcome that a claim is about to replace, or neither: then, and when its expires_at
-- is over, it counts as absent. It is swept an hour later, so that tokens grow also when the server's clock steps back a
-- little.

create table holdfast.records (
  key text collate "C" primary key,
  fingerprint text,
  -- Of the latest claim.
  token bigint not null,
  -- The attempt that executes.
  claim text collate "C",
  began_at timestamptz,
  lease_until timestamptz,
  claim_meta text,
  -- Whether somebody waits for the end of the claim.
  waited boolean not null default false,
  -- The execution that this one took over.
  lost_at timestamptz,
  lost_fingerprint text,
  lost_meta text,
  -- The outcome, and the attempt that committed it.
  value text,
  kept_by text collate "C",
  kept_at timestamptz,
  fresh_until timestamptz,
  -- However long a claim makes the record last.
  kept_until timestamptz,
  kept_meta text,
  expires_at timestamptz not null
) with (fillfactor = 70);

-- Reads the outcome of an execution or claims the execution, in one step.
--
-- Answers claimed with number = token and, after a takeover, what is known of the lost execution; running with number =
-- ms left and meta; lapsed with what is known; mismatch; or done. With done, and with claimed and running while an
-- outcome stands, comes value, its age in ms, and kept_meta.
-- Safe to send again: the claim's id gets the same claim again.
create function holdfast.record_begin(
  p_key text, p_id text, p_lease bigint, p_ttl bigint, p_fingerprint text, p_meta text,
  p_takeover text, p_waits boolean,
  out state text, out number text, out began text, out fingerprint text, out meta text,
  out value text, out age text, out kept_meta text
) language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  lease constant interval := p_lease * interval '1 millisecond';
  ttl constant interval := greatest(p_lease, p_ttl) * interval '1 millisecond';
  moment timestamptz;
  live boolean;
  kept boolean;
  lost boolean;
  locked boolean := false;
  r holdfast.records;
begin
  loop
    -- What an earlier pass has read may not be so any more.
    lost := false;
    record_begin.began := null;
    record_begin.fingerprint := null;
    record_begin.meta := null;
    record_begin.value := null;
    record_begin.age := null;
    record_begin.kept_meta := null;
    moment := clock_timestamp();
    insert into holdfast.records
      (key, fingerprint, token, claim, began_at, lease_until, claim_meta, expires_at)
    values (p_key, p_fingerprint, (extract(epoch from moment) * 1000000)::bigint, p_id, moment,
      moment + lease, p_meta, moment + ttl)
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
    live := r.expires_at > moment and (r.claim is not null or r.value is not null);
    kept := live and r.value is not null and r.kept_until > moment;
    if live then
      -- Checked first, so that another payload learns nothing of the record.
      if r.fingerprint <> p_fingerprint then
        record_begin.state := 'mismatch';
        return;
      end if;
      if r.value is not null and (r.kept_at is null or r.fresh_until is null or r.kept_until is null) then
        raise exception 'an outcome is not of the form that this library writes' using errcode = 'HF001';
      end if;
      if kept then
        record_begin.value := r.value;
        record_begin.age := greatest(0, floor(extract(epoch from moment - r.kept_at) * 1000))::bigint;
        record_begin.kept_meta := r.kept_meta;
      end if;
      if r.claim = p_id then
        record_begin.state := 'claimed';
        record_begin.number := r.token;
        if r.lost_at is not null then
          record_begin.began := floor(extract(epoch from r.lost_at) * 1000)::bigint;
          record_begin.fingerprint := r.lost_fingerprint;
          record_begin.meta := r.lost_meta;
        end if;
        return;
      end if;
      if kept and r.fresh_until > moment then
        record_begin.state := 'done';
        return;
      end if;
      if r.lease_until > moment and r.claim is not null then
        if p_waits and not r.waited then
          update holdfast.records set waited = true where key = p_key and claim = r.claim;
          -- It has ended meanwhile, and told nobody.
          continue when not found;
        end if;
        record_begin.state := 'running';
        record_begin.number := ceil(extract(epoch from r.lease_until - moment) * 1000)::bigint;
        record_begin.meta := r.claim_meta;
        return;
      end if;
      -- An outcome that stands is known, whatever became of the execution that was to replace it.
      lost := not kept;
      if lost then
        record_begin.began := floor(extract(epoch from r.began_at) * 1000)::bigint;
        record_begin.fingerprint := r.fingerprint;
        record_begin.meta := r.claim_meta;
        if p_takeover = 'never' then
          record_begin.state := 'lapsed';
          return;
        end if;
      end if;
    end if;
    exit when locked;
    locked := true;
  end loop;

  update holdfast.records set
    fingerprint = coalesce(p_fingerprint, case when live then r.fingerprint end),
    token = greatest(r.token + 1, (extract(epoch from moment) * 1000000)::bigint),
    claim = p_id,
    began_at = case when lost and p_takeover = 'recover' then r.began_at else moment end,
    lease_until = moment + lease,
    claim_meta = case when lost and p_takeover = 'recover' then r.claim_meta else p_meta end,
    waited = false,
    lost_at = case when lost then r.began_at end,
    lost_fingerprint = case when lost then r.fingerprint end,
    lost_meta = case when lost then r.claim_meta end,
    value = case when kept then value end,
    expires_at = case when kept then greatest(r.kept_until, moment + lease) else moment + ttl end
  where key = p_key
  returning token into record_begin.number;
  record_begin.state := 'claimed';
end
$$;

-- Prolongs a claim, and gives it p_meta unless that is null; never creates one. A lease of 0 lets it lapse now. Answers
-- whether the claim was still the id's.
create function holdfast.record_renew(p_key text, p_id text, p_lease bigint, p_meta text)
returns text language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  lease constant interval := p_lease * interval '1 millisecond';
begin
  update holdfast.records set
    lease_until = clock_timestamp() + lease,
    claim_meta = coalesce(p_meta, claim_meta),
    expires_at = greatest(expires_at, clock_timestamp() + lease)
  where key = p_key and claim = p_id and expires_at > clock_timestamp();
  return case when found then '1' else '0' end;
end
$$;

-- Keeps the outcome of an execution, if its claim is still the id's; the same commit again is acknowledged. Tells those
-- who wait. Without p_fresh_for the outcome is fresh for ever.
create function holdfast.record_commit(
  p_key text, p_id text, p_value text, p_ttl bigint, p_fresh_for bigint, p_meta text,
  p_channel text, p_notice text
) returns text language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  waits boolean;
begin
  update holdfast.records set
    claim = null,
    lost_at = null,
    lost_fingerprint = null,
    lost_meta = null,
    value = p_value,
    kept_by = p_id,
    kept_at = clock_timestamp(),
    fresh_until = coalesce(clock_timestamp() + p_fresh_for * interval '1 millisecond', 'infinity'),
    kept_until = clock_timestamp() + p_ttl * interval '1 millisecond',
    kept_meta = p_meta,
    expires_at = clock_timestamp() + p_ttl * interval '1 millisecond'
  where key = p_key and claim = p_id and expires_at > clock_timestamp()
  returning waited into waits;
  if found then
    if waits and p_channel is not null then
      perform pg_notify(p_channel, p_notice);
    end if;
    return '1';
  end if;
  perform from holdfast.records
    where key = p_key and kept_by = p_id and value is not null
      and expires_at > clock_timestamp();
  return case when found then '1' else '0' end;
end
$$;

-- Forgets a claim, so that the next caller executes, and leaves an outcome that stands. Tells those who wait. Answers
-- whether the claim was the id's.
create function holdfast.record_drop(p_key text, p_id text, p_channel text, p_notice text)
returns text language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  waits boolean;
begin
  update holdfast.records set
    claim = null,
    expires_at = case when value is null then clock_timestamp() else kept_until end
  where key = p_key and claim = p_id and expires_at > clock_timestamp()
  returning waited into waits;
  if not found then
    return '0';
  end if;
  if waits and p_channel is not null then
    perform pg_notify(p_channel, p_notice);
  end if;
  return '1';
end
$$;

-- Keeps an outcome and ends every claim.
create function holdfast.record_put(
  p_key text, p_value text, p_ttl bigint, p_fresh_for bigint, p_meta text,
  p_channel text, p_notice text
) returns text language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  ttl constant interval := p_ttl * interval '1 millisecond';
  fresh_for constant interval := p_fresh_for * interval '1 millisecond';
begin
  insert into holdfast.records as r
    (key, token, value, kept_at, fresh_until, kept_until, kept_meta, expires_at)
  values (p_key, 0, p_value, clock_timestamp(),
    coalesce(clock_timestamp() + fresh_for, 'infinity'), clock_timestamp() + ttl, p_meta,
    clock_timestamp() + ttl)
  on conflict (key) do update set
    fingerprint = null,
    claim = null,
    value = excluded.value,
    kept_by = null,
    kept_at = clock_timestamp(),
    fresh_until = coalesce(clock_timestamp() + fresh_for, 'infinity'),
    kept_until = clock_timestamp() + ttl,
    kept_meta = excluded.kept_meta,
    expires_at = clock_timestamp() + ttl;
  if p_channel is not null then
    perform pg_notify(p_channel, p_notice);
  end if;
  return '1';
end
$$;

-- Forgets the outcome and ends every claim. Answers whether there was either.
create function holdfast.record_remove(p_key text, p_channel text, p_notice text)
returns text language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  was boolean;
begin
  update holdfast.records set claim = null, value = null, expires_at = clock_timestamp()
  where key = p_key and (claim is not null or value is not null) and expires_at > clock_timestamp();
  was := found;
  if p_channel is not null then
    perform pg_notify(p_channel, p_notice);
  end if;
  return case when was then '1' else '0' end;
end
$$;

-- Removes the next records between two keys. Answers the last key, or null when all are removed and that was told.
create function holdfast.record_clear(
  p_after text, p_before text, p_limit integer, p_channel text, p_notice text
) returns text language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  last text;
begin
  select max(key) into last from (
    select key from holdfast.records where key > p_after and key < p_before order by key limit p_limit
  ) r;
  if last is not null then
    update holdfast.records set claim = null, value = null, expires_at = clock_timestamp()
    where key in (
      select key from holdfast.records
      where key > p_after and key <= last and (claim is not null or value is not null)
      -- In one order, so that two who clear cannot wait for each other.
      order by key for update);
  elsif p_channel is not null then
    perform pg_notify(p_channel, p_notice);
  end if;
  return last;
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
