// Check of two processes, one of each framework, that share a Redis.

import { Redis } from 'ioredis'
import { expect, test } from 'vitest'
import { LoadingBay } from '../../examples/common/loading-bay.ts'
import { type RedisServer, startRedis } from '../support/redis-server.ts'
import { type Reply, type Service, startService } from './service.ts'
import { traceId } from './trace-shape.ts'

interface Pair extends AsyncDisposable {
  readonly redis: RedisServer
  readonly services: readonly [Service, Service]
  /** The service that gets the nth request. */
  nth(n: number): Service
}

async function startPair(): Promise<Pair> {
  const redis = await startRedis()
  const env = { REDIS_URL: redis.url }
  const services = await Promise.all([startService('express', env), startService('hono', env)])
  return {
    redis,
    services,
    nth: (n) => services[n % 2] as Service,
    [Symbol.asyncDispose]: async () => {
      for (const each of [...services, redis]) await each[Symbol.asyncDispose]()
    },
  }
}

const times = (n: number): number[] => Array.from({ length: n }, (_, at) => at)

test('50 payments with one key, spread over both, charge the card once', async () => {
  await using pair = await startPair()
  const replies = await Promise.all(times(50).map((n) => pair.nth(n).pay('"order-1"')))

  const paid = replies.filter(({ status }) => status === 201)
  const refused = replies.filter(({ status }) => status !== 201)
  expect(paid.length).toBeGreaterThan(0)
  expect(new Set(paid.map(({ text }) => text)).size).toBe(1)
  expect(paid.filter(({ headers }) => !headers.has('idempotent-replayed'))).toHaveLength(1)
  for (const { status, headers } of refused) {
    expect([status, headers.get('retry-after')]).toEqual([409, '1'])
  }
  for (const service of pair.services) {
    const retry = await service.pay('"order-1"')
    expect(retry).toMatchObject({ status: 201, text: paid[0]?.text })
    expect(retry.headers.get('idempotent-replayed')).toBe('true')
    expect(await service.charges()).toHaveLength(1)
  }
})

test('200 requests to ship one order, spread over both, are served one at a time and in order', async () => {
  await using pair = await startPair()
  const inOrder: Reply[] = []
  await Promise.all(
    times(200).map(async (n) => {
      inOrder.push(await pair.nth(n).ship('7'))
    }),
  )

  const shipped = inOrder.filter(({ status }) => status === 200)
  // One at a time, 200 ms each: whoever has answered first was the first to enter.
  const tokens = shipped.map(({ text }) => JSON.parse(text).fencingToken as number)
  expect(tokens.length).toBeGreaterThanOrEqual(7)
  expect(tokens).toEqual(tokens.toSorted((a, b) => a - b))
  expect(new Set(tokens).size).toBe(tokens.length)
  for (const { status, headers } of inOrder.filter((reply) => !shipped.includes(reply))) {
    expect([status, headers.get('retry-after')]).toEqual([409, '1'])
  }
  for (const { process } of pair.services) expect(process.stderr).toBe('')
})

test('a waiter’s trace links to its holder’s, which the other process has printed', async () => {
  await using pair = await startPair()
  const [express, hono] = pair.services
  const first = express.ship('7')
  await new Promise((resolve) => setTimeout(resolve, 50))
  await Promise.all([first, hono.ship('7')])
  const [holder = ''] = await express.traces(1)
  const [waiter] = await hono.traces(1)
  expect(waiter).toContain(`↳ link to trace ${traceId(holder)}, holder that it waited for`)
})

test('the loading bay would notice two at once', async () => {
  await using server = await startRedis()
  const redis = new Redis(server.url)
  for (const bay of [new LoadingBay(undefined), new LoadingBay(redis)]) {
    const both = await Promise.allSettled([bay.ship('7'), bay.ship('7')])
    expect(both.map(({ status }) => status)).toEqual(['fulfilled', 'rejected'])
    expect(both[1]).toMatchObject({ reason: { message: expect.stringMatching(/^VIOLATION: 2/) } })
    await bay.ship('7')
  }
  redis.disconnect()
})
