// What callers see while PostgreSQL is away, silent or slow, and how soon all is well again.

import { Client, Pool } from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { PostgresAdapter } from '../../src/adapters/postgres/index.ts'
import {
  isAcquireTimeoutError,
  isStoreCorruptError,
  isStoreUnavailableError,
  Lock,
} from '../../src/index.ts'
import { eventually } from '../support/eventually.ts'
import { type PostgresServer, startPostgres } from '../support/postgres-server.ts'
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'
import { keepsPlaces, restoresEveryChannel } from './link-outage.ts'
import { CALLERS, storeLoad } from './store-load.ts'

const DEADLINE = 1_000
/** What a loaded machine may add to a deadline. */
const SLACK = 1_500

let server: PostgresServer
let proxy: TcpProxy
let pool: Pool
let provider: PostgresAdapter
/** Of a user who is not behind the proxy. */
let direct: Client
const unhandled: unknown[] = []
const noteUnhandled = (reason: unknown) => void unhandled.push(reason)

beforeAll(async () => {
  server = await startPostgres()
})
afterAll(async () => {
  await server[Symbol.asyncDispose]()
})

beforeEach(async () => {
  proxy = await startTcpProxy(server)
  // The user's pool is as patient as pg is by default, and has no error listener: that must not matter.
  pool = new Pool({ connectionString: proxy.through(server.url) })
  provider = new PostgresAdapter(pool, { deadline: DEADLINE })
  await provider.connect()
  direct = new Client({ connectionString: server.url })
  direct.on('error', () => {})
  await direct.connect()
  process.on('unhandledRejection', noteUnhandled)
})
afterEach(async () => {
  await provider.disconnect()
  await pool.end()
  await direct.end()
  await proxy[Symbol.asyncDispose]()
  process.off('unhandledRejection', noteUnhandled)
  expect(unhandled.splice(0)).toEqual([])
})

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

const LISTENS = 'holdfast-signals'

/** Ends every session but the direct one, or those alone that have the given name. */
async function terminate(name = '%'): Promise<number> {
  const { rowCount } = await direct.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
    where backend_type = 'client backend' and pid <> pg_backend_pid() and application_name like $1`,
    [name],
  )
  return rowCount ?? 0
}

async function answers(): Promise<void> {
  const probe = new Client({
    connectionString: proxy.through(server.url),
    connectionTimeoutMillis: 500,
  })
  probe.on('error', () => {})
  try {
    await probe.connect()
  } finally {
    await probe.end()
  }
}

async function outage(begin: () => Promise<void>, end: () => Promise<void>): Promise<void> {
  const stop = storeLoad(provider)
  // Until its connections are open.
  await pause(1_000)
  const began = performance.now()
  await begin()
  await pause(2_500)
  await end()
  await eventually(() => answers().then(() => true), { what: 'a connection', within: 15_000 })
  const answered = performance.now()
  await pause(3_500)
  const calls = await stop()

  const before = calls.filter(({ at, took }) => at + took < began)
  const during = calls.filter(({ at }) => at >= began && at < answered)
  const after = calls.filter(({ at }) => at > answered + 2_500)
  const failed = during.filter(({ error }) => error)
  console.log(
    `${before.length} calls before, ${failed.length} of ${during.length} failed during, ` +
      `${after.length} after, slowest failure ${Math.round(Math.max(...failed.map(({ took }) => took)))} ms`,
  )
  expect(before.filter(({ error }) => error && !isAcquireTimeoutError(error))).toEqual([])
  expect(failed.length).toBeGreaterThan(CALLERS / 2)
  for (const { error, took } of failed) {
    // A permit's own patience of 300 ms may end first, where the store had answered that none is free.
    expect(isStoreUnavailableError(error) || isAcquireTimeoutError(error), String(error)).toBe(true)
    expect(took).toBeLessThan(2_000 + SLACK)
  }
  expect(after.length).toBeGreaterThan(CALLERS)
  expect(after.filter(({ error }) => isStoreUnavailableError(error))).toEqual([])
}

describe('under load', () => {
  test('PostgreSQL crashed and started again', () =>
    outage(
      () => server.kill(),
      () => server.restart(),
    ))

  test('PostgreSQL stopped in order and started again', () =>
    outage(
      () => server.stop(),
      () => server.restart(),
    ))

  test('PostgreSQL frozen', () =>
    outage(
      () => server.pause(),
      () => server.resume(),
    ))

  test('a link that says nothing, and then delivers what it kept', () =>
    outage(
      () => proxy.hold({ onResume: 'deliver' }),
      () => proxy.pass(),
    ))

  test('a link that says nothing, and loses what it kept', () =>
    outage(
      () => proxy.hold({ onResume: 'drop' }),
      () => proxy.pass(),
    ))

  test('a link that is cut', () =>
    outage(
      () => proxy.cut(),
      () => proxy.pass(),
    ))
})

test('a held lock survives a short outage and is lost in a long one, at once and for ever', async () => {
  const lock = new Lock(undefined, { provider, key: 'held', ttl: 1_500 })
  const guard = await lock.acquire()
  await proxy.cut()
  await pause(300)
  await proxy.pass()
  await pause(1_500)
  expect(guard.held).toBe(true)

  await proxy.hold({ onResume: 'drop' })
  const lost = new Promise((resolve) => guard.signal.addEventListener('abort', resolve))
  await lost
  expect(guard.held).toBe(false)
  await proxy.pass()
  await pause(1_000)
  expect(guard.held).toBe(false)
  expect(await guard.release()).toMatchObject({ released: false })
})

test('waiters with a timeout outlast an outage at their places, also when the store has forgotten them', async () => {
  const others = new Pool({ connectionString: server.url })
  const outside = new PostgresAdapter(others)
  await keepsPlaces({ provider, proxy }, outside)
  await outside.disconnect()
  await others.end()
})

test('sessions that the server ends are opened again, unnoticed', async () => {
  const lock = new Lock(undefined, { provider, key: 'killed' })
  for (let round = 0; round < 20; round++) {
    const guard = await lock.acquire({ timeout: 1_000 })
    expect(await terminate()).toBeGreaterThan(0)
    expect(await guard.release()).toEqual({ released: true })
  }
})

test('a waiter whose LISTEN session was ended is found by the beat, and the session comes back', async () => {
  const lock = new Lock(undefined, { provider, key: 'deaf' })
  const guard = await lock.acquire()
  const waiting = lock.acquire({ timeout: 10_000 })
  await eventually(async () => (await lock.inspect()).waiters.length === 1)
  expect(await terminate(LISTENS)).toBe(1)
  await guard.release()
  const next = await waiting
  await eventually(
    async () => {
      const { rowCount } = await direct.query(
        'select from pg_stat_activity where application_name = $1',
        [LISTENS],
      )
      return rowCount === 1
    },
    { what: 'another LISTEN session' },
  )
  // By a message again, and not by a beat.
  const last = lock.acquire({ timeout: 10_000 })
  await eventually(async () => (await lock.inspect()).waiters.length === 1)
  const began = performance.now()
  await next.release()
  await (await last).release()
  expect(performance.now() - began).toBeLessThan(900)
})

test('a LISTEN session that fell silent is dropped once a message was missed', async () => {
  // A second adapter over a pool of its own, so that only the first one's connections fall silent.
  const otherPool = new Pool({ connectionString: server.url })
  const other = new PostgresAdapter(otherPool)
  const theirs = new Lock(undefined, { provider: other, key: 'silent' })
  const ours = new Lock(undefined, { provider, key: 'silent' })
  const first = await theirs.acquire()
  const waiting = ours.acquire({ timeout: 20_000 })
  await eventually(async () => (await theirs.inspect()).waiters.length === 1)
  await proxy.hold({ onResume: 'drop' })
  await pause(1_500)
  await proxy.pass()
  await first.release()
  const guard = await waiting
  await guard.release()
  const again = await theirs.acquire({ timeout: 5_000 })
  const last = ours.acquire({ timeout: 20_000 })
  await eventually(async () => (await theirs.inspect()).waiters.length === 1)
  await again.release()
  await (await last).release()
  await other.disconnect()
  await otherPool.end()
})

test('a connection for messages that another channel opens again is restored for all of them', () =>
  restoresEveryChannel({ provider, proxy }))

test('a slow link: leases are counted from before the request, and hold', async () => {
  await proxy.delay(100)
  const lock = new Lock(undefined, { provider, key: 'slow', ttl: 1_500 })
  const guard = await lock.acquire({ timeout: 5_000 })
  await pause(3_000)
  expect(guard.held).toBe(true)
  expect(await guard.release()).toEqual({ released: true })
})

test('a grant that arrives after its caller gave up is released', async () => {
  const lock = new Lock(undefined, { provider, key: 'late' })
  await proxy.hold({ onResume: 'deliver' })
  const error = await lock.acquire({ timeout: 200 }).catch((reason: unknown) => reason)
  expect(isStoreUnavailableError(error) && error.outcome).toBe('unknown')
  await proxy.pass()
  await eventually(async () => (await lock.inspect()).holders.length === 0)
  const guard = await lock.acquire({ timeout: 1_000 })
  expect(await guard.release()).toEqual({ released: true })
})

test('a statement that hangs in the server ends by the deadline, and its client with it', async () => {
  const lock = new Lock(undefined, { provider, key: 'stuck' })
  await (await lock.acquire()).release()
  await direct.query('begin')
  await direct.query(`select from holdfast.resources where key like '%stuck%' for update`)
  const began = performance.now()
  const error = await lock.acquire().catch((reason: unknown) => reason)
  expect(isStoreUnavailableError(error) && error.outcome).toBe('unknown')
  expect(performance.now() - began).toBeLessThan(DEADLINE + SLACK)
  await direct.query('rollback')
  expect(await lock.run(async () => 'done', { timeout: 5_000 })).toBe('done')
})

test('a pool whose only client the user holds: unavailable by the deadline, and no client is lost', async () => {
  const small = new Pool({ connectionString: server.url, max: 1 })
  const crowded = new PostgresAdapter(small, { deadline: DEADLINE })
  const lock = new Lock(undefined, { provider: crowded, key: 'crowded', ttl: 9_000 })
  const guard = await lock.acquire()
  const users = await small.connect()
  const rest = new Lock(undefined, { provider: crowded, key: 'rest' })
  const began = performance.now()
  const errors = await Promise.all(
    Array.from({ length: 5 }, () => rest.acquire().catch((reason: unknown) => reason)),
  )
  for (const error of errors) expect(isStoreUnavailableError(error) && error.outcome).toBe('none')
  expect(performance.now() - began).toBeLessThan(DEADLINE + SLACK)
  // Renewals waited in vain as well; none of them stands in the way of the next.
  await pause(3_500)
  expect(guard.held).toBe(true)
  expect(small.waitingCount).toBeLessThanOrEqual(1)
  users.release()
  await guard.extend(9_000)
  expect(await guard.release()).toEqual({ released: true })
  expect(small.totalCount).toBe(1)
  expect(await (await rest.acquire({ timeout: 1_000 })).release()).toEqual({ released: true })
  await crowded.disconnect()
  await small.end()
})

test('a server that only reads grants nothing until it writes again', async () => {
  await direct.query('alter system set default_transaction_read_only = on')
  await direct.query('select pg_reload_conf()')
  await eventually(async () => {
    const { rows } = await direct.query('show default_transaction_read_only')
    return rows[0]?.default_transaction_read_only === 'on'
  })
  const lock = new Lock(undefined, { provider, key: 'read-only' })
  const error = await lock.acquire().catch((reason: unknown) => reason)
  expect(isStoreUnavailableError(error) && error.outcome).toBe('none')
  await direct.query('set default_transaction_read_only = off')
  await direct.query('alter system reset default_transaction_read_only')
  await direct.query('select pg_reload_conf()')
  await eventually(() => lock.run(async () => 'done', { timeout: 1_000 }))
})

test('after data loss the holder learns it at its next renewal, and tokens still grow', async () => {
  const lock = new Lock(undefined, { provider, key: 'lost', ttl: 900 })
  const guard = await lock.acquire()
  await direct.query('truncate holdfast.resources, holdfast.waiters, holdfast.records')
  const next = await lock.acquire({ timeout: 1_000 })
  expect(next.fencingToken).toBeGreaterThan(guard.fencingToken)
  await new Promise((resolve) => guard.signal.addEventListener('abort', resolve))
  expect(await guard.release()).toEqual({ released: false, reason: 'lost' })
  expect(next.held).toBe(true)
  await next.release()
})

test('a schema that was dropped is made again', async () => {
  const lock = new Lock(undefined, { provider, key: 'dropped' })
  await (await lock.acquire()).release()
  await direct.query('drop schema holdfast cascade')
  expect(await (await lock.acquire()).release()).toEqual({ released: true })
})

test('what somebody else wrote into a row is reported and left alone', async () => {
  const lock = new Lock(undefined, { provider, key: 'foreign' })
  await (await lock.acquire()).release()
  const write = `update holdfast.resources set used = 1, earliest = 0, holders = '{"not": "ours"}' where key like '%foreign%'`
  await direct.query(write)
  const error = await lock.acquire().catch((reason: unknown) => reason)
  expect(isStoreCorruptError(error), String(error)).toBe(true)
  const { rows } = await direct.query(
    `select holders from holdfast.resources where key like '%foreign%'`,
  )
  expect(rows).toEqual([{ holders: { not: 'ours' } }])
})
