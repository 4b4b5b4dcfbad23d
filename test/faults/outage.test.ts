// What callers see while Redis is away, silent or slow, and how soon all is well again.

import { Redis } from 'ioredis'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { exclusive, once } from '../../src/adapters/contract/requests.ts'
import { RedisAdapter } from '../../src/adapters/redis/index.ts'
import {
  isAcquireTimeoutError,
  isStoreCorruptError,
  isStoreUnavailableError,
  Lock,
} from '../../src/index.ts'
import { eventually } from '../support/eventually.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts'
import { keepsPlaces, restoresEveryChannel } from './link-outage.ts'
import { CALLERS, storeLoad } from './store-load.ts'

const DEADLINE = 1_000
/** What a loaded machine may add to a deadline. */
const SLACK = 1_500

let server: RedisServer
let proxy: TcpProxy
let redis: Redis
let provider: RedisAdapter
const unhandled: unknown[] = []
const noteUnhandled = (reason: unknown) => void unhandled.push(reason)

beforeEach(async () => {
  server = await startRedis()
  proxy = await startTcpProxy(server)
  // The user's client is as patient as ioredis is by default: that must not matter.
  redis = new Redis(proxy.through(server.url))
  redis.on('error', () => {})
  provider = new RedisAdapter(redis, { deadline: DEADLINE })
  await provider.connect()
  process.on('unhandledRejection', noteUnhandled)
})
afterEach(async () => {
  await provider.disconnect()
  redis.disconnect()
  await proxy[Symbol.asyncDispose]()
  await server.stop()
  process.off('unhandledRejection', noteUnhandled)
  expect(unhandled.splice(0)).toEqual([])
})

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

async function outage(begin: () => Promise<void>, end: () => Promise<void>): Promise<void> {
  const stop = storeLoad(provider)
  await pause(300)
  await begin()
  const began = performance.now()
  await pause(2_500)
  await end()
  const probe = new Redis(proxy.through(server.url), { retryStrategy: () => 20 })
  probe.on('error', () => {})
  await eventually(() => probe.ping(), { what: 'the first PING succeeds' })
  const pinged = performance.now()
  probe.disconnect()
  await pause(3_000)
  const calls = await stop()

  const before = calls.filter(({ at, took }) => at + took < began)
  const during = calls.filter(({ at }) => at >= began && at < pinged)
  const after = calls.filter(({ at }) => at > pinged + 2_000)
  const failed = during.filter(({ error }) => error)
  console.log(
    `${before.length} calls before, ${failed.length} of ${during.length} failed during, ` +
      `${after.length} after, slowest failure ${Math.round(Math.max(...failed.map(({ took }) => took)))} ms`,
  )
  expect(before.every(({ error }) => !error || isAcquireTimeoutError(error))).toBe(true)
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
  test('Redis stopped and started again', () =>
    outage(
      () => server.kill().then(() => {}),
      () => server.restart().then(() => {}),
    ))

  test('Redis frozen', () =>
    outage(
      async () => server.pause(),
      async () => server.resume(),
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

test('a connection that the server kills is opened again, unnoticed', async () => {
  const lock = new Lock(undefined, { provider, key: 'killed' })
  const direct = new Redis(server.url)
  for (let round = 0; round < 20; round++) {
    const guard = await lock.acquire({ timeout: 1_000 })
    await direct.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    expect(await guard.release()).toEqual({ released: true })
  }
  direct.disconnect()
})

test('a waiter whose wake-up connection was killed is found by the beat', async () => {
  const lock = new Lock(undefined, { provider, key: 'deaf' })
  const guard = await lock.acquire()
  const waiting = lock.acquire({ timeout: 10_000 })
  await eventually(async () => (await lock.inspect()).waiters.length === 1)
  const direct = new Redis(server.url)
  await direct.call('CLIENT', 'KILL', 'TYPE', 'pubsub')
  await guard.release()
  await (await waiting).release()
  direct.disconnect()
})

test('a link that says nothing is given up, however soon the user’s client would stop waiting', async () => {
  const commandTimeout = DEADLINE / 5
  const impatient = new Redis(proxy.through(server.url), { commandTimeout, lazyConnect: true })
  const { grants } = new RedisAdapter(impatient, { deadline: DEADLINE })
  await grants.inspect('lock:silent')
  const accepted = proxy.accepted
  await proxy.hold({ onResume: 'drop' })
  await eventually(async () => {
    await Promise.race([grants.inspect('lock:silent').catch(() => {}), pause(100)])
    return proxy.accepted > accepted
  })
  impatient.disconnect()
})

test('a connection for messages that another channel opens again is restored for all of them', () =>
  restoresEveryChannel({ provider, proxy }))

test('waiters with a timeout outlast an outage at their places, also when the store has forgotten them', async () => {
  const direct = new Redis(server.url)
  const outside = new RedisAdapter(direct)
  await keepsPlaces({ provider, proxy }, outside)
  await outside.disconnect()
  direct.disconnect()
})

test('a slow link: leases are counted from before the request, and hold', async () => {
  await proxy.delay(100)
  const lock = new Lock(undefined, { provider, key: 'slow', ttl: 1_000 })
  const guard = await lock.acquire({ timeout: 5_000 })
  await pause(2_500)
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

test('a grant that a frozen Redis makes after the retry failed too is released', async () => {
  const lock = new Lock(undefined, { provider, key: 'frozen', ttl: 60_000 })
  await (await lock.acquire()).release()
  server.pause()
  // The silence is noticed while another call waits, so that this one has time left for a second attempt.
  const other = new Lock(undefined, { provider, key: 'other' }).acquire()
  other.catch(() => {})
  await pause(DEADLINE * 0.6)
  const error = await lock.acquire().catch((reason: unknown) => reason)
  expect(isStoreUnavailableError(error) && error.outcome).toBe('unknown')
  await pause(4 * DEADLINE)
  server.resume()
  // What was sent before the connection was given up is granted now, and nobody waits for it.
  await eventually(async () => (await lock.inspect()).holders.length === 0, { within: 10_000 })
  const guard = await lock.acquire({ timeout: 5_000 })
  expect(await guard.release()).toEqual({ released: true })
})

test('a Redis out of memory grants nothing, and still renews and releases', async () => {
  const lock = new Lock(undefined, { provider, key: 'full', ttl: 600 })
  const guard = await lock.acquire()
  const direct = new Redis(server.url)
  await direct.config('SET', 'maxmemory-policy', 'noeviction')
  await direct.config('SET', 'maxmemory', '1')
  const error = await new Lock(undefined, { provider, key: 'other' }).acquire().catch((e) => e)
  expect(isStoreUnavailableError(error) && error.outcome).toBe('none')
  expect(String(error.cause)).toContain('OOM')
  await pause(1_000)
  expect(guard.held).toBe(true)
  expect(await guard.release()).toEqual({ released: true })
  await direct.config('SET', 'maxmemory', '0')
  direct.disconnect()
})

test('after data loss the holder learns it at its next renewal, and tokens still grow', async () => {
  const lock = new Lock(undefined, { provider, key: 'lost', ttl: 900 })
  const guard = await lock.acquire()
  const direct = new Redis(server.url)
  await direct.flushall()
  const next = await lock.acquire({ timeout: 1_000 })
  expect(next.fencingToken).toBeGreaterThan(guard.fencingToken)
  await new Promise((resolve) => guard.signal.addEventListener('abort', resolve))
  expect(await guard.release()).toEqual({ released: false, reason: 'lost' })
  expect(next.held).toBe(true)
  await next.release()
  direct.disconnect()
})

test('what somebody else wrote at the key is reported and left alone', async () => {
  const direct = new Redis(server.url)
  await direct.set('holdfast:{lock:foreign}:r', 'not ours')
  const error = await new Lock(undefined, { provider, key: 'foreign' }).acquire().catch((e) => e)
  expect(error.code).toBe('ERR_HOLDFAST_STORE_CORRUPT')
  expect(await direct.get('holdfast:{lock:foreign}:r')).toBe('not ours')
  direct.disconnect()
})

test('content that is not of this library is reported and left alone, whatever it is kept in', async () => {
  const direct = new Redis(server.url)
  const { grants, rates, records } = provider
  await direct.set('holdfast:{limit}:t:day', 'not ours')
  await direct.hset('holdfast:{record}:i', 'v', 'not ours')
  const resources = {
    'lock:unknown': { colour: 'not ours' },
    'lock:used': { k: 0, u: 'not ours', e: 0, f: 0, x: 1e16 },
    'lock:expires': { k: 0, u: 0, e: 0, f: 0, x: 'not ours' },
  }
  for (const [resource, fields] of Object.entries(resources)) {
    await direct.hset(`holdfast:{${resource}}:r`, fields)
  }
  const keys = (await direct.keys('*')).sort()
  const contents = () => Promise.all(keys.map((key) => direct.dump(key)))
  const before = await contents()

  const asks: readonly (() => Promise<unknown>)[] = [
    () =>
      rates.consume({ limiter: 'limit', rules: [{ name: 'day', interval: 1, burst: 1 }], cost: 1 }),
    () => records.begin(once('record')),
    ...Object.keys(resources).flatMap((resource) => [
      () => grants.acquire(exclusive(resource)),
      () => grants.acquire(exclusive(resource, { wait: true })),
      () => grants.beat(resource, { id: 'inbox', listening: false }, ['nobody']),
    ]),
  ]
  for (const ask of asks) {
    await expect(ask()).rejects.toSatisfy(isStoreCorruptError)
  }
  expect((await direct.keys('*')).sort()).toEqual(keys)
  expect(await contents()).toEqual(before)
  direct.disconnect()
})
