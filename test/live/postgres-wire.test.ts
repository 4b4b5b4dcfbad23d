// What the PostgreSQL store sends: one statement for each uncontended operation, names for few, and rows that are swept.

import { Client, Pool, type QueryConfig } from 'pg'
import { afterAll, expect, inject, test } from 'vitest'
import { PostgresAdapter } from '../../src/adapters/postgres/index.ts'
import { type HoldfastEvent, Idempotency, Lock, Semaphore } from '../../src/index.ts'
import { eventually } from '../support/eventually.ts'
import { startPgbouncer, testsPgbouncer } from '../support/pgbouncer.ts'

const connectionString = inject('databaseUrl')
const schema = `wire_${process.pid}`

/** Every statement of every client, the adapter's own one included. */
const sent: QueryConfig[] = []
class CountingClient extends Client {
  override query(...args: unknown[]): never {
    sent.push(args[0] as QueryConfig)
    return (super.query as (...args: unknown[]) => unknown)(...args) as never
  }
}
const pool = new Pool({ connectionString, Client: CountingClient } as never)
const provider = new PostgresAdapter(pool, { schema })
afterAll(async () => {
  await provider.disconnect()
  await pool.query(`drop schema ${schema} cascade`)
  await pool.end()
})

async function statementsOf(work: () => Promise<unknown>): Promise<(string | undefined)[]> {
  sent.length = 0
  await work()
  return sent.map(({ text }) => /\.(\w+)\(/.exec(text ?? '')?.[1] ?? text)
}

test('a lock is acquired, renewed and released by one statement each', async () => {
  await provider.connect()
  const lock = new Lock(undefined, { provider, key: 'lock' })
  for (const _round of ['the name is new', 'it is known']) {
    let held = await lock.acquire({ timeout: 0 })
    await held.release()
    expect(
      await statementsOf(async () => {
        held = await lock.acquire()
      }),
    ).toEqual(['grant_acquire'])
    expect(await statementsOf(() => held.extend(10_000))).toEqual(['grant_renew'])
    expect(await statementsOf(() => held.release())).toEqual(['grant_release'])
  }
})

test('a permit is one statement, an idempotent call two, and its replay one', async () => {
  const semaphore = new Semaphore(2, { provider, key: 'semaphore' })
  expect(await statementsOf(() => semaphore.run(async () => {}))).toEqual([
    'grant_acquire',
    'grant_release',
  ])
  const idempotency = new Idempotency({ provider })
  const run = () => idempotency.run('call', () => 1)
  expect(await statementsOf(run)).toEqual(['record_begin', 'record_commit'])
  expect(await statementsOf(run)).toEqual(['record_begin'])
})

test('a waiter is called once it has queued: three statements for an acquisition', async () => {
  const lock = new Lock(undefined, { provider, key: 'contended' })
  // The first wait of a process opens its LISTEN session.
  const first = await lock.acquire()
  const second = lock.acquire()
  await eventually(async () => (await lock.inspect()).waiters.length === 1)
  await first.release()
  const held = await second
  let last: Promise<{ release(): Promise<unknown> }> | undefined
  const statements = await statementsOf(async () => {
    last = lock.acquire()
    await eventually(() => sent.length === 1)
    await held.release()
    await (await last).release()
  })
  expect(statements).toEqual(['grant_acquire', 'grant_release', 'grant_renew', 'grant_release'])
})

test('nobody is notified while nobody waits', async () => {
  const listener = new Client({ connectionString })
  await listener.connect()
  const { rows } = await listener.query(`select prosrc from pg_proc where proname = 'grant_release'
    and pronamespace = '${schema}'::regnamespace`)
  expect(rows[0].prosrc).not.toContain('notify')
  await listener.end()
})

test.runIf(testsPgbouncer())(
  'behind a transaction pooler all works without options, and a warning says what to set',
  async () => {
    await using pooler = await startPgbouncer(connectionString)
    const events: HoldfastEvent[] = []
    const pooled = new Pool({ connectionString: pooler.url })
    const behind = new PostgresAdapter(pooled, { schema, onEvent: (event) => events.push(event) })
    const lock = new Lock(undefined, { provider: behind, key: 'pooled' })
    let inside = 0
    await Promise.all(
      Array.from({ length: 12 }, () =>
        lock.run(async () => {
          expect(++inside).toBe(1)
          await new Promise((resolve) => setTimeout(resolve, 1))
          inside--
        }),
      ),
    )
    expect(events.map(({ message }) => message)).toEqual([expect.stringContaining('listen: false')])
    await behind.disconnect()
    await pooled.end()
  },
  60_000,
)

test('rows that nobody needs any more are swept while calls are made, and those in use stay', async () => {
  const lock = new Lock(undefined, { provider, key: 'kept' })
  const idempotency = new Idempotency({ provider })
  await idempotency.run('kept', () => 1)
  const held = await lock.acquire()
  await pool.query(`
    insert into ${schema}.resources (key, used, fence, earliest, holders, keep_until)
      select 'old' || i, 0, 1, 0, '{}', 0 from generate_series(1, 1200) i;
    insert into ${schema}.waiters (resource, arrival, id, weight, capacity, exclusive, inbox, meta)
      values ('old1', 1, 'dead', 1, 1, true, 'gone', '');
    insert into ${schema}.records (key, token, claim, began_at, lease_until, claim_meta, expires_at)
      select 'old' || i, 1, 'x', 'epoch', 'epoch', '', 'epoch' from generate_series(1, 1200) i;
    insert into ${schema}.rates (key, arrival) select 'old' || i, 0 from generate_series(1, 1200) i;
    insert into ${schema}.breakers (key, generation, phase, open_until, trips, keep_until)
      select 'old' || i, 0, 'closed', 0, 0, 0 from generate_series(1, 1200) i;
    insert into ${schema}.breakers (key, generation, phase, open_until, trips, keep_until)
      values ('by hand', 1, 'isolated', 0, 0, 0);
    insert into ${schema}.histories (key, token, sequence, expires_at)
      select 'old' || i, 1, 1, 'epoch' from generate_series(1, 1200) i;
    insert into ${schema}.entries (history, sequence, value, written_at, meta)
      select 'old' || i, 1, '', 'epoch', '' from generate_series(1, 1200) i;
    insert into ${schema}.fences (resource, token, raised_at)
      select 'old' || i, 1, 'epoch' from generate_series(1, 1200) i;
    insert into ${schema}.fences (resource, token, raised_at)
      values ('of last week', 1, clock_timestamp() - interval '7 days')`)
  const left = async (): Promise<unknown> => {
    const { rows } = await pool.query(`select
      (select count(*) from ${schema}.resources where key like 'old%')
      + (select count(*) from ${schema}.waiters where resource like 'old%')
      + (select count(*) from ${schema}.records where key like 'old%')
      + (select count(*) from ${schema}.rates where key like 'old%')
      + (select count(*) from ${schema}.breakers where key like 'old%')
      + (select count(*) from ${schema}.histories where key like 'old%')
      + (select count(*) from ${schema}.entries where history like 'old%')
      + (select count(*) from ${schema}.fences where resource like 'old%') as old`)
    return rows[0].old
  }
  await eventually(
    async () => {
      for (let call = 0; call < 100; call++) await held.extend(30_000)
      return (await left()) === '0'
    },
    { what: 'the old rows to be swept', within: 20_000 },
  )
  const { rows } = await pool.query(`select key from ${schema}.breakers where key = 'by hand'
    union all select resource from ${schema}.fences where resource = 'of last week'`)
  expect(rows).toHaveLength(2)
  expect(held.held).toBe(true)
  expect(await held.release()).toEqual({ released: true })
  expect(await idempotency.run('kept', () => 2)).toMatchObject({ value: 1, replayed: true })
})

test('relaxed locks do not wait for the disk, and nothing else of the session is changed', async () => {
  const relaxed = new PostgresAdapter(pool, { schema, durability: 'relaxed' })
  await relaxed.connect()
  sent.length = 0
  await new Lock(undefined, { provider: relaxed, key: 'relaxed' }).run(async () => {})
  const waits = sent.filter(({ text }) => !text?.includes(`'synchronous_commit', 'off', true`))
  expect(waits.map(({ text }) => text).filter((text) => text?.includes('grant_'))).toEqual([])
  const { rows } = await pool.query('show synchronous_commit')
  expect(rows[0].synchronous_commit).toBe('on')
  await relaxed.disconnect()
})
