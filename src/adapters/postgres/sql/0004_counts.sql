-- Circuit breakers: a row each with its state, its window in ten buckets, and the latest report of each process.
--
-- Times are the server's, in microseconds since the epoch.

create table holdfast.breakers (
  key text collate "C" primary key,
  generation bigint not null,
  phase text not null,
  open_until bigint not null,
  trips integer not null,
  -- A tenth of the window each, by when it begins, so that those of another window grow old as well:
  -- [success, failure, slow].
  buckets jsonb not null default '{}',
  -- By reporter: [sequence, at].
  reports jsonb not null default '{}',
  keep_until bigint not null
) with (fillfactor = 70);

-- How a breaker stands: [generation, phase, remaining ms, trips, success, failure, slow].
create function holdfast.breaker_view(r holdfast.breakers, p_now bigint)
returns text language sql as $$
  select json_build_array(r.generation, r.phase,
    case when r.phase = 'open' then greatest(0, (r.open_until - p_now + 999) / 1000) else 0 end,
    r.trips, coalesce(sum((value ->> 0)::bigint), 0), coalesce(sum((value ->> 1)::bigint), 0),
    coalesce(sum((value ->> 2)::bigint), 0))::text
  from jsonb_each(r.buckets)
$$;

-- Counts outcomes of calls, if their generation is current, and answers how the breaker stands.
--
-- Safe to send again: a report's sequence number counts once.
create function holdfast.breaker_report(
  p_key text, p_generation bigint, p_window bigint, p_success bigint, p_failure bigint,
  p_slow bigint, p_reporter text, p_sequence bigint, p_keep bigint
) returns text language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  counts constant boolean := p_success + p_failure + p_slow > 0;
  now_us bigint;
  current bigint;
  bucket jsonb;
  r holdfast.breakers;
begin
  loop
    -- Who only looks needs no lock.
    if counts then
      select * into r from holdfast.breakers where key = p_key for update;
    else
      select * into r from holdfast.breakers where key = p_key;
    end if;
    exit when found;
    r := (p_key, 0, 'closed', 0, 0, '{}', '{}', holdfast.now_us() + p_keep * 1000);
    exit when not counts;
    insert into holdfast.breakers select r.* on conflict (key) do nothing;
  end loop;

  now_us := holdfast.now_us();
  current := now_us - now_us % (p_window * 100);
  -- What lies in the future is of a clock that has stepped back.
  select coalesce(jsonb_object_agg(key, value), '{}') into r.buckets
    from jsonb_each(r.buckets)
    where key::bigint > current - p_window * 1000 and key::bigint <= now_us;
  if counts and r.generation = p_generation
    and p_sequence > coalesce((r.reports -> p_reporter ->> 0)::bigint, 0) then
    bucket := coalesce(r.buckets -> current::text, '[0, 0, 0]');
    r.buckets := r.buckets || jsonb_build_object(current, jsonb_build_array(
      (bucket ->> 0)::bigint + p_success, (bucket ->> 1)::bigint + p_failure,
      (bucket ->> 2)::bigint + p_slow));
    select coalesce(jsonb_object_agg(key, value), '{}') into r.reports
      from jsonb_each(r.reports) where (value ->> 1)::bigint > now_us - p_keep * 1000;
    r.reports := r.reports || jsonb_build_object(p_reporter, jsonb_build_array(p_sequence, now_us));
    update holdfast.breakers set
      buckets = r.buckets, reports = r.reports, keep_until = now_us + p_keep * 1000
    where key = p_key;
  end if;
  return holdfast.breaker_view(r, now_us);
end
$$;

-- Makes a transition of a breaker, if its generation is current, tells the other processes, and answers how it stands.
--
-- Safe to send again: the generation has moved on, and the answer is how the breaker stands.
create function holdfast.breaker_move(
  p_key text, p_generation bigint, p_phase text, p_open_for bigint, p_trips integer,
  p_channel text, p_keep bigint
) returns text language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  now_us bigint;
  r holdfast.breakers;
begin
  loop
    select * into r from holdfast.breakers where key = p_key for update;
    exit when found;
    r := (p_key, 0, 'closed', 0, 0, '{}', '{}', holdfast.now_us() + p_keep * 1000);
    -- What is not there is in generation 0.
    exit when p_generation <> 0;
    insert into holdfast.breakers select r.* on conflict (key) do nothing;
  end loop;

  now_us := holdfast.now_us();
  if r.generation = p_generation then
    -- Seeded by the clock, so that it keeps growing when the data was lost.
    r.generation := greatest(p_generation + 1, now_us);
    r.phase := p_phase;
    r.open_until := case when p_phase = 'open' then now_us + p_open_for * 1000 else 0 end;
    r.trips := p_trips;
    r.buckets := '{}';
    r.reports := '{}';
    update holdfast.breakers set
      generation = r.generation, phase = r.phase, open_until = r.open_until, trips = r.trips,
      buckets = r.buckets, reports = r.reports,
      keep_until = now_us + greatest(p_keep, 2 * p_open_for) * 1000
    where key = p_key;
    perform pg_notify(p_channel, r.generation::text);
  end if;
  return holdfast.breaker_view(r, now_us);
end
$$;

-- Looks at the next breakers by name and drops those that nobody has used for long. Answers the last name, or null.
create function holdfast.breaker_sweep(p_after text, p_limit integer)
returns text language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  now_us constant bigint := holdfast.now_us();
  last text;
  idle text[];
begin
  -- One that somebody has isolated by hand stays so.
  select max(key), array_agg(key) filter (where keep_until < now_us and phase <> 'isolated')
  into last, idle from (
    select key, keep_until, phase from holdfast.breakers where key > p_after order by key limit p_limit
  ) r;
  if idle is not null then
    delete from holdfast.breakers where key in (
      select key from holdfast.breakers
      where key = any (idle) and keep_until < now_us and phase <> 'isolated'
      for update skip locked);
  end if;
  return last;
end
$$;

insert into holdfast.migrations (version) values (4);
