-- Fences: the greatest token that a transaction of the user's has worked under, for each resource.
--
-- A transaction that raises a fence holds its row until it ends: two cannot work under different tokens at once.

create table holdfast.fences (
  resource text collate "C" primary key,
  token bigint not null,
  raised_at timestamptz not null
) with (fillfactor = 70);

-- Raises the fence of a resource as part of the caller's transaction. Answers whether no greater token was there before.
create function holdfast.fence_raise(p_resource text, p_token bigint)
returns text language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  insert into holdfast.fences as f (resource, token, raised_at)
  values (p_resource, p_token, clock_timestamp())
  on conflict (resource) do update set token = excluded.token, raised_at = excluded.raised_at
  where f.token <= excluded.token;
  return case when found then '1' else '0' end;
end
$$;

-- Looks at the next fences by name and drops those that nobody has raised for a month: whoever was stopped for longer
-- than that is not refused any more. Answers the last name, or null.
create function holdfast.fence_sweep(p_after text, p_limit integer)
returns text language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  over constant timestamptz := clock_timestamp() - interval '30 days';
  last text;
  gone text[];
begin
  select max(resource), array_agg(resource) filter (where raised_at < over) into last, gone from (
    select resource, raised_at from holdfast.fences where resource > p_after order by resource limit p_limit
  ) f;
  if gone is not null then
    delete from holdfast.fences where resource in (
      select resource from holdfast.fences where resource = any (gone) and raised_at < over
      for update skip locked);
  end if;
  return last;
end
$$;

insert into holdfast.migrations (version) values (6);
