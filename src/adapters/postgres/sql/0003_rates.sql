-- Rate limits: a row for each rule of a limiter, by the generic cell rate algorithm.
--
-- Times are the server's, in microseconds since the epoch. Rules are locked in the order of their keys, so that callers
-- with several cannot wait for each other, and the clock is read afterwards.

create table holdfast.rates (
  key text collate "C" primary key,
  -- The theoretical arrival time: when nothing is spent any more. Idle since then.
  arrival bigint not null
) with (fillfactor = 70);

-- Spends the cost of one rule if it allows it. Answers [1 allowed | 0 not, µs until nothing is spent any more].
create function holdfast.rate_spend(
  p_key text, p_cost double precision, p_interval double precision, p_burst double precision
) returns text language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  spent constant double precision := p_cost * p_interval;
  whole constant double precision := p_burst * p_interval;
  -- Up to a whole microsecond, so that no fraction is given away; a call takes longer than what that charges too much.
  charge constant double precision := ceil(spent);
  now_us bigint;
  at bigint;
begin
  if p_cost > 0 and spent <= whole then
    -- Never further ahead than a full burst, so that a clock that stepped back locks nobody out. One microsecond is what
    -- sums of intervals may be off by: a caller that waited as told must not be a hair too early.
    insert into holdfast.rates as r (key, arrival) values (p_key, holdfast.now_us() + charge)
    on conflict (key) do update set
      arrival = ceil(least(greatest(r.arrival, holdfast.now_us()), holdfast.now_us() + whole)) + charge
    where least(r.arrival - holdfast.now_us(), whole) + spent <= whole + 1
    returning arrival into at;
    if found then
      return json_build_array(1, at - holdfast.now_us());
    end if;
  end if;
  select arrival into at from holdfast.rates where key = p_key;
  now_us := holdfast.now_us();
  return json_build_array(
    case when p_cost = 0 then 1 else 0 end,
    greatest(0, least(coalesce(at, 0) - now_us, whole)));
end
$$;

-- Spends the cost of every rule if all allow it, else of none; the keys are in order. Answers as rate_spend, with a
-- number for each rule.
create function holdfast.rate_spend_all(
  p_keys text[], p_cost double precision, p_intervals double precision[],
  p_bursts double precision[]
) returns text language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  allowed boolean := true;
  at bigint;
  arrivals bigint[];
  ahead double precision[];
  whole double precision;
  now_us bigint;
begin
  for i in 1..cardinality(p_keys) loop
    loop
      if p_cost = 0 then
        select arrival into at from holdfast.rates where key = p_keys[i];
      else
        select arrival into at from holdfast.rates where key = p_keys[i] for update;
      end if;
      exit when found or p_cost = 0;
      insert into holdfast.rates (key, arrival) values (p_keys[i], 0) on conflict (key) do nothing;
    end loop;
    arrivals[i] := at;
  end loop;
  now_us := holdfast.now_us();
  for i in 1..cardinality(p_keys) loop
    whole := p_bursts[i] * p_intervals[i];
    ahead[i] := greatest(0, least(coalesce(arrivals[i], 0) - now_us, whole));
    allowed := allowed and ahead[i] + p_cost * p_intervals[i] <= whole + 1;
  end loop;
  if allowed and p_cost > 0 then
    for i in 1..cardinality(p_keys) loop
      -- As in rate_spend.
      update holdfast.rates set arrival = now_us + ceil(ahead[i]) + ceil(p_cost * p_intervals[i])
      where key = p_keys[i];
      ahead[i] := ahead[i] + p_cost * p_intervals[i];
    end loop;
  end if;
  return array_to_json(allowed::integer::double precision || ahead);
end
$$;

-- Forgets what was spent; the keys are in order.
create function holdfast.rate_reset(p_keys text[])
returns text language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  one text;
begin
  foreach one in array p_keys loop
    update holdfast.rates set arrival = 0 where key = one;
  end loop;
  return '1';
end
$$;

-- Looks at the next rules by name and drops those that nobody has used for an hour. Answers the last name, or null.
create function holdfast.rate_sweep(p_after text, p_limit integer)
returns text language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  over constant bigint := holdfast.now_us() - 3600000000;
  last text;
  idle text[];
begin
  select max(key), array_agg(key) filter (where arrival < over) into last, idle
  from (select key, arrival from holdfast.rates where key > p_after order by key limit p_limit) r;
  if idle is not null then
    delete from holdfast.rates where key in (
      select key from holdfast.rates where key = any (idle) and arrival < over
      for update skip locked);
  end if;
  return last;
end
$$;

insert into holdfast.migrations (version) values (3);
