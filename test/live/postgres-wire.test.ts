// What the PostgreSQL store sends: one statement for each uncontended operation, names for few, and rows that are swept.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Client, Pool, type QueryConfig } from 'pg'
import { afterAll, expect, inject, test } from 'vitest'
import { PostgresAdapter } from '../../src/adapters/postgres/index.ts'
import { type HoldfastEvent, Idempotency, Lock, RateLimiter, Semaphore } from '../../src/index.ts'
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

test('a rate limit is one statement, however many rules it has; what is known to be exhausted is none', async () => {
  const single = new RateLimiter({ provider, key: 'rate', limit: 2, window: 60_000 })
  const ask = async () => (await single.consume()).allowed
  expect(await statementsOf(ask)).toEqual(['rate_spend'])
  expect(await statementsOf(ask)).toEqual(['rate_spend'])
  expect(await statementsOf(ask)).toEqual(['rate_spend'])
  // It is asked once more for every second that this takes.
  await expect.poll(() => statementsOf(ask)).toEqual([])
  const rules = [
    { limit: 3, window: 1_000 },
    { limit: 5, window: 60_000 },
  ]
  const several = new RateLimiter({ provider, key: 'rates', rules })
  expect(await statementsOf(() => several.consume())).toEqual(['rate_spend_all'])
})

test('a report, a transition and each step of a record and of a history are one statement each', async () => {
  const { counts, records, histories } = provider
  const outcomes = { success: 1, failure: 0, slow: 0 }
  const report = {
    breaker: 'b',
    generation: 0,
    window: 1_000,
    outcomes,
    reporter: 'r',
    sequence: 1,
  }
  const move = {
    breaker: 'b',
    generation: 0,
    phase: 'open' as const,
    openFor: 1_000,
    trips: 1,
    channel: 'c',
  }
  expect(await statementsOf(() => counts.report(report))).toEqual(['breaker_report'])
  expect(await statementsOf(() => counts.move(move))).toEqual(['breaker_move'])

  const notice = { channel: 'c', text: 'changed' }
  const put = { record: 'r', value: 'v', ttl: 60_000, freshFor: 1, meta: {}, notice }
  expect(await statementsOf(() => records.put(put))).toEqual(['record_put'])
  expect(await statementsOf(() => records.remove('r', notice))).toEqual(['record_remove'])

  const step = { token: 1, keep: 10, ttl: 60_000, meta: {} }
  const append = (sequence: number) =>
    histories.append({ history: 'h', sequence, value: 'x'.repeat(1_000_000), ...step })
  expect(await statementsOf(() => histories.open('h', 1, 60_000))).toEqual(['history_open'])
  expect(await statementsOf(() => append(0))).toEqual(['history_append'])
  expect(await statementsOf(() => append(1))).toEqual(['history_append'])
  expect(await statementsOf(() => histories.read('h'))).toEqual(['history_read'])
  expect(await statementsOf(() => histories.list('h'))).toEqual(['history_list'])
  expect(await statementsOf(() => histories.trim('h', 1))).toEqual(['history_trim'])
  expect(await statementsOf(() => histories.remove('h'))).toEqual(['history_remove'])
})

test('records are removed some hundreds at a time, and only those below the prefix', async () => {
  const { records } = provider
  const put = (record: string) => records.put({ record, value: 'v', ttl: 60_000, meta: {} })
  await Promise.all(Array.from({ length: 700 }, (_, i) => put(`a_b:${i}`)))
  await Promise.all(['axb:1', 'a_b', 'a_b:', 'a_c:1'].map(put))
  const statements = await statementsOf(() => records.clear('a_b:'))
  // So many calls are an occasion to sweep as well.
  const own = statements.filter((statement) => !statement?.endsWith('_sweep'))
  expect(own).toEqual(Array.from({ length: 4 }, () => 'record_clear'))
  for (const record of ['axb:1', 'a_b', 'a_c:1']) expect(await records.remove(record)).toBe(true)
  for (const record of ['a_b:', 'a_b:1', 'a_b:699'])
    expect(await records.remove(record)).toBe(false)
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

test('a pool that is busy when the first channel is listened on is not taken for one that delivers nothing', async () => {
  const busy = new Pool({ connectionString, max: 1 })
  const events: HoldfastEvent[] = []
  const adapter = new PostgresAdapter(busy, {
    schema,
    deadline: 20_000,
    onEvent: (event) => events.push(event),
  })
  await adapter.connect()
  const client = await busy.connect()
  setTimeout(() => client.release(), 1_500)
  const { live } = await adapter.signals.listen('busy', { message: () => {}, restored: () => {} })
  expect(live).toBe(true)
  expect(events).toEqual([])
  await adapter.disconnect()
  await busy.end()
})

test('messages reach those alone who share the prefix and the schema', async () => {
  const options = [
    { schema, keyPrefix: 'ours:' },
    { schema, keyPrefix: 'theirs:' },
    { schema: `${schema}_other`, keyPrefix: 'ours:' },
  ]
  const adapters = options.map((each) => new PostgresAdapter(pool, each))
  const [ours] = adapters
  // One that is a part of the channel's name as it is, and one that is not.
  for (const channel of ['plain', 'cache:prices']) {
    const heard: string[] = []
    await ours?.signals.listen(channel, {
      message: (text) => heard.push(text),
      restored: () => {},
    })
    for (const [at, { records }] of [...adapters.entries()].reverse()) {
      const notice = { channel, text: `of ${at}` }
      await records.put({ record: 'told', value: '', ttl: 60_000, meta: {}, notice })
    }
    await eventually(async () => heard.length > 0)
    expect(heard).toEqual(['of 0'])
  }
  for (const adapter of adapters) await adapter.disconnect()
  await pool.query(`drop schema ${schema}_other cascade`)
})

test('adapters that are dropped without a word are not kept by their pool', async () => {
  const make = () => new WeakRef(new PostgresAdapter(pool, { schema }).signals)
  const dropped = Array.from({ length: 20 }, make)
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  await eventually(async () => {
    collect()
    return dropped.every((part) => part.deref() === undefined)
  })
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
