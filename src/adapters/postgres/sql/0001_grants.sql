-- Grants: a row for each resource, a row for each of its waiters, and one function for each operation.
--
-- Times are the server's, in microseconds since the epoch, so that no time zone plays a part. Every function locks the
-- resource's row first and reads the clock afterwards: now() would be as old as the wait for the lock.

do $$
begin
  if to_regnamespace('holdfast') is null then
    create schema holdfast;
  end if;
end
$$;

create table holdfast.migrations (
  version integer primary key,
  applied_at timestamptz not null default clock_timestamp()
);

-- Kept after the last release, because it carries the fence; swept when nobody has used it for long. No mutable column
-- has an index and every page has room, so that an update touches one page.
create table holdfast.resources (
  key text collate "C" primary key,
  used bigint not null,
  fence bigint not null,
  -- A lower bound of when the first holder lapses.
  earliest bigint not null,
  waiting bigint not null default 0,
  arrivals bigint not null default 0,
  -- A lower bound of the arrival of the first waiter: dead rows before it are never looked at.
  head bigint not null default 0,
  -- By id: [expiry, weight, exclusive, token, inbox until it is claimed or null, meta].
  holders jsonb not null,
  -- The processes that wait, by inbox: [alive until, listening].
  inboxes jsonb not null default '{}',
  keep_until bigint not null
) with (fillfactor = 70);

-- Rows of their own: with the queue in the resource's row, each change would write the whole queue again. A change to a
-- resource's waiters always changes the resource's row too, which is what all of them are ordered by.
create table holdfast.waiters (
  resource text collate "C" not null,
  arrival bigint not null,
  id text collate "C" not null,
  weight bigint not null,
  capacity bigint not null,
  exclusive boolean not null,
  inbox text not null,
  meta text not null,
  primary key (resource, arrival, id),
  unique (resource, id)
) with (autovacuum_vacuum_scale_factor = 0.02);

-- What is below without a search_path of its own is called inside that of the operations.

create function holdfast.now_us() returns bigint language sql volatile as $$
  select (date_part('epoch', clock_timestamp()) * 1000000)::bigint
$$;

-- Drops who has lapsed, then hands what is free to those who wait, in order.
create function holdfast.grant_settle(r holdfast.resources, p_now bigint)
returns holdfast.resources language plpgsql as $$
declare
  h record;
  w holdfast.waiters;
  process jsonb;
  expiry bigint;
begin
  if r.used > 0 and p_now >= r.earliest then
    r.used := 0;
    r.earliest := null;
    for h in select key as id, value as v from jsonb_each(r.holders) loop
      expiry := (h.v ->> 0)::bigint;
      if expiry is null or (h.v ->> 1) is null then
        raise exception 'a holder is not of the form that this library writes' using errcode = 'HF001';
      elsif expiry > p_now then
        r.used := r.used + (h.v ->> 1)::bigint;
        r.earliest := least(r.earliest, expiry);
      else
        r.holders := r.holders - h.id;
        -- Called and never came: its process is dead, and so are its other waiters.
        if (h.v ->> 4) is not null then
          r.inboxes := r.inboxes - (h.v ->> 4);
        end if;
      end if;
    end loop;
    r.earliest := coalesce(r.earliest, 0);
  end if;

  for step in 1..100 loop
    exit when r.waiting <= 0;
    select * into w from holdfast.waiters
      where resource = r.key and arrival >= r.head
      order by arrival, id limit 1;
    if not found then
      r.waiting := 0;
      exit;
    end if;
    r.head := w.arrival;
    process := r.inboxes -> w.inbox;
    if process is null or (process ->> 0)::bigint <= p_now then
      delete from holdfast.waiters where resource = r.key and arrival = w.arrival and id = w.id;
      r.waiting := r.waiting - 1;
      continue;
    end if;
    exit when r.used + w.weight > w.capacity;
    delete from holdfast.waiters where resource = r.key and arrival = w.arrival and id = w.id;
    r.waiting := r.waiting - 1;
    -- Whoever cannot be called finds out by its beat, and is given the time for that.
    expiry := p_now + case when (process ->> 1)::boolean then 1000000 else 2500000 end;
    -- Seeded by the clock, so that it keeps growing when the data was lost; readers of one phase share one token.
    if w.exclusive then
      r.fence := greatest(r.fence + 1, p_now);
    end if;
    r.earliest := case when r.used = 0 then expiry else least(r.earliest, expiry) end;
    r.used := r.used + w.weight;
    r.holders := r.holders || jsonb_build_object(
      w.id, jsonb_build_array(expiry, w.weight, w.exclusive, r.fence, w.inbox, w.meta));
    if (process ->> 1)::boolean then
      perform pg_notify(w.inbox, w.id);
    end if;
  end loop;
  if r.waiting <= 0 then
    r.inboxes := '{}';
  end if;
  return r;
end
$$;

create function holdfast.grant_save(r holdfast.resources) returns void language plpgsql as $$
begin
  update holdfast.resources set
    used = r.used, fence = r.fence, earliest = r.earliest, waiting = r.waiting,
    arrivals = r.arrivals, head = r.head, holders = r.holders, inboxes = r.inboxes,
    keep_until = r.keep_until
  where key = r.key;
end
$$;

-- Acquires what is held, waited for or new; see grant_acquire, which tries first what is usual.
create function holdfast.grant_contend(
  p_key text, p_id text, p_ttl bigint, p_weight bigint, p_capacity bigint, p_exclusive boolean,
  p_wait boolean, p_inbox text, p_listening boolean, p_meta text, p_arrival bigint
) returns text language plpgsql as $$
declare
  ttl constant bigint := p_ttl * 1000;
  keep constant bigint := greatest(7200000000, 2 * ttl);
  now_us bigint;
  place bigint;
  held jsonb;
  r holdfast.resources;
  was holdfast.resources;
begin
  if p_weight > p_capacity then
    return '[0,0,0,null,null]';
  end if;

  -- Whoever would not wait and sees it held needs no lock to know it.
  if not p_wait then
    select * into r from holdfast.resources where key = p_key;
    now_us := holdfast.now_us();
    if found and r.waiting = 0 and r.used + p_weight > p_capacity and r.earliest > now_us
      and not r.holders ? p_id then
      return json_build_array(0, (r.earliest - now_us + 999) / 1000, 0, null,
        (select value -> 5 from jsonb_each(r.holders) limit 1))::text;
    end if;
  end if;

  loop
    select * into r from holdfast.resources where key = p_key for update;
    exit when found;
    now_us := holdfast.now_us();
    insert into holdfast.resources (key, used, fence, earliest, holders, keep_until)
    values (p_key, p_weight, now_us, now_us + ttl,
      jsonb_build_object(p_id, jsonb_build_array(
        now_us + ttl, p_weight, p_exclusive, now_us, null, p_meta)),
      now_us + keep)
    on conflict (key) do nothing;
    if found then
      return '[1,' || now_us || ']';
    end if;
  end loop;

  now_us := holdfast.now_us();
  was := r;
  r := holdfast.grant_settle(r, now_us);
  held := r.holders -> p_id;
  if held is not null then
    r.holders := r.holders || jsonb_build_object(p_id, jsonb_build_array(
      now_us + ttl, held -> 1, held -> 2, held -> 3, null, held -> 5));
    r.earliest := least(r.earliest, now_us + ttl);
    r.keep_until := greatest(r.keep_until, now_us + keep);
    perform holdfast.grant_save(r);
    return '[1,' || (held ->> 3) || ']';
  end if;

  select arrival into place from holdfast.waiters where resource = p_key and id = p_id;
  if place is null then
    if r.waiting = 0 and r.used + p_weight <= p_capacity then
      if p_exclusive then
        r.fence := greatest(r.fence + 1, now_us);
      end if;
      r.earliest := case when r.used = 0 then now_us + ttl else least(r.earliest, now_us + ttl) end;
      r.used := r.used + p_weight;
      r.holders := r.holders || jsonb_build_object(p_id, jsonb_build_array(
        now_us + ttl, p_weight, p_exclusive, r.fence, null, p_meta));
      r.keep_until := greatest(r.keep_until, now_us + keep);
      perform holdfast.grant_save(r);
      return '[1,' || r.fence || ']';
    end if;
    if p_wait then
      place := coalesce(p_arrival, r.arrivals + 1);
      -- Whoever comes next draws a later number, also when the data was lost.
      r.arrivals := greatest(r.arrivals, place);
      r.head := case when r.waiting = 0 then place else least(r.head, place) end;
      r.waiting := r.waiting + 1;
      insert into holdfast.waiters (resource, arrival, id, weight, capacity, exclusive, inbox, meta)
      values (p_key, place, p_id, p_weight, p_capacity, p_exclusive, p_inbox, p_meta);
    end if;
  end if;
  if p_wait then
    r.inboxes := r.inboxes ||
      jsonb_build_object(p_inbox, jsonb_build_array(now_us + 3000000, p_listening));
    r.keep_until := greatest(r.keep_until, now_us + keep);
  end if;
  if r is distinct from was then
    -- A place in the queue may be lost in a crash, as its waiter asks again; the row is free for others the sooner.
    perform set_config('synchronous_commit', 'off', true);
    perform holdfast.grant_save(r);
  end if;
  return json_build_array(
    case when place is null then 0 else 2 end,
    case when r.used = 0 then 0 else greatest(0, (r.earliest - now_us + 999) / 1000) end,
    r.waiting, place, (select value -> 5 from jsonb_each(r.holders) limit 1))::text;
end
$$;

-- Grants a share, queues the request or answers busy, in one step.
--
-- Answers [1, token], or [2 queued | 0 busy, hint ms, how many wait, arrival or null, meta of a holder].
-- Safe to send again: an id that holds or waits already gets the same answer.
create function holdfast.grant_acquire(
  p_key text, p_id text, p_ttl bigint, p_weight bigint, p_capacity bigint, p_exclusive boolean,
  p_wait boolean, p_inbox text, p_listening boolean, p_meta text, p_arrival bigint
) returns text language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  ttl constant bigint := p_ttl * 1000;
  before constant bigint := holdfast.now_us();
  token bigint;
begin
  -- Nobody holds and nobody waits: one update, whose clock is read after the row is locked. The token is the same in
  -- both of its places because it is made from the time before.
  update holdfast.resources set
    used = p_weight,
    fence = case when p_exclusive then greatest(fence + 1, before) else fence end,
    earliest = before + ttl,
    holders = jsonb_build_object(p_id, jsonb_build_array(
      holdfast.now_us() + ttl, p_weight, p_exclusive,
      case when p_exclusive then greatest(fence + 1, before) else fence end, null, p_meta)),
    keep_until = before + greatest(7200000000, 2 * ttl)
  where key = p_key and used = 0 and waiting = 0 and p_weight <= p_capacity
  returning fence into token;
  if found then
    return '[1,' || token || ']';
  end if;
  return holdfast.grant_contend(
    p_key, p_id, p_ttl, p_weight, p_capacity, p_exclusive, p_wait, p_inbox, p_listening, p_meta,
    p_arrival);
end
$$;

-- Prolongs a grant, or claims one that was handed over; never creates one. Answers the token, or null.
create function holdfast.grant_renew(p_key text, p_id text, p_ttl bigint)
returns text language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  ttl constant bigint := p_ttl * 1000;
  before constant bigint := holdfast.now_us();
  token text;
begin
  update holdfast.resources set
    holders = holders || jsonb_build_object(p_id, jsonb_build_array(
      holdfast.now_us() + ttl, holders -> p_id -> 1, holders -> p_id -> 2, holders -> p_id -> 3,
      null, holders -> p_id -> 5)),
    earliest = least(earliest, before + ttl),
    keep_until = greatest(keep_until, before + greatest(7200000000, 2 * ttl))
  where key = p_key and (holders -> p_id ->> 0)::bigint > holdfast.now_us()
  returning holders -> p_id ->> 3 into token;
  return token;
end
$$;

-- Releases what has lapsed, waits or is waited for; see grant_release, which tries first what is usual.
create function holdfast.grant_withdraw(p_key text, p_id text) returns text language plpgsql as $$
declare
  now_us bigint;
  held jsonb;
  r holdfast.resources;
  was holdfast.resources;
begin
  select * into r from holdfast.resources where key = p_key for update;
  if not found then
    return '0';
  end if;
  now_us := holdfast.now_us();
  was := r;
  held := r.holders -> p_id;
  if held is not null then
    r.holders := r.holders - p_id;
    r.used := r.used - (held ->> 1)::bigint;
  else
    delete from holdfast.waiters where resource = p_key and id = p_id;
    if found then
      r.waiting := r.waiting - 1;
    end if;
  end if;
  r := holdfast.grant_settle(r, now_us);
  if r is distinct from was then
    r.keep_until := greatest(r.keep_until, now_us + 7200000000);
    perform holdfast.grant_save(r);
  end if;
  return case when (held ->> 0)::bigint > now_us then '1' else '0' end;
end
$$;

-- Ends a grant or takes a waiter out of the queue, and calls whoever is next. Answers whether the id held until now.
create function holdfast.grant_release(p_key text, p_id text)
returns text language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  -- Nobody waits: there is nobody to call.
  update holdfast.resources set
    used = used - (holders -> p_id ->> 1)::bigint,
    holders = holders - p_id,
    keep_until = greatest(keep_until, holdfast.now_us() + 7200000000)
  where key = p_key and waiting = 0 and (holders -> p_id ->> 0)::bigint > holdfast.now_us();
  if found then
    return '1';
  end if;
  return holdfast.grant_withdraw(p_key, p_id);
end
$$;

-- Keeps the waiters of one process alive and answers what became of them.
--
-- Answers [hint ms, [granted and unclaimed ids], [unknown ids]].
create function holdfast.grant_beat(
  p_key text, p_inbox text, p_listening boolean, p_ids text[]
) returns text language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  now_us bigint;
  r holdfast.resources;
  was holdfast.resources;
begin
  select * into r from holdfast.resources where key = p_key for update;
  if not found then
    return json_build_array(0, array[]::text[], p_ids)::text;
  end if;
  now_us := holdfast.now_us();
  was := r;
  if r.waiting > 0 then
    -- Those who fell silent count as dead already: this only forgets them.
    r.inboxes := jsonb_build_object(p_inbox, jsonb_build_array(now_us + 3000000, p_listening)) ||
      (select coalesce(jsonb_object_agg(key, value), '{}') from jsonb_each(r.inboxes)
        where key <> p_inbox and (value ->> 0)::bigint > now_us);
    r.keep_until := greatest(r.keep_until, now_us + 7200000000);
  end if;
  r := holdfast.grant_settle(r, now_us);
  if r is distinct from was then
    perform holdfast.grant_save(r);
  end if;
  return json_build_array(
    case when r.used = 0 then 0 else greatest(0, (r.earliest - now_us + 999) / 1000) end,
    array(select id from unnest(p_ids) id where r.holders -> id ->> 4 is not null),
    array(select id from unnest(p_ids) id where not r.holders ? id and not exists (
      select from holdfast.waiters w where w.resource = p_key and w.id = id.id)))::text;
end
$$;

-- Who holds a resource and who waits for it, in order; changes nothing.
--
-- Answers [[[id, weight, exclusive, remaining ms, token, meta]…], [[id, weight, exclusive, meta]…]].
create function holdfast.grant_inspect(p_key text)
returns text language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  now_us constant bigint := holdfast.now_us();
begin
  -- One query, so that holders and waiters are seen at the same moment.
  return json_build_array(
    (select coalesce(json_agg(json_build_array(
        h.key, h.value -> 1, h.value -> 2, ((h.value ->> 0)::bigint - now_us + 999) / 1000,
        h.value -> 3, h.value -> 5)), '[]')
      from holdfast.resources r, jsonb_each(r.holders) h
      where r.key = p_key and (h.value ->> 0)::bigint > now_us),
    (select coalesce(json_agg(json_build_array(w.id, w.weight, w.exclusive, w.meta)
        order by w.arrival, w.id), '[]')
      from holdfast.waiters w where w.resource = p_key))::text;
end
$$;

-- Looks at the next resources by name and drops those that nobody has used for long. Answers the last name, or null.
create function holdfast.grant_sweep(p_after text, p_limit integer)
returns text language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  now_us constant bigint := holdfast.now_us();
  last text;
  idle text[];
begin
  select max(key), array_agg(key) filter (where keep_until < now_us) into last, idle
  from (select key, keep_until from holdfast.resources where key > p_after order by key limit p_limit) r;
  if idle is not null then
    with gone as (
      delete from holdfast.resources where key in (
        select key from holdfast.resources where key = any (idle) and keep_until < now_us
        for update skip locked)
      returning key)
    delete from holdfast.waiters w using gone where w.resource = gone.key;
  end if;
  return last;
end
$$;

insert into holdfast.migrations (version) values (1);
