// What clients of the example services see while Redis is away or silent, and how soon all is well again.

import { Redis } from 'ioredis'
import { describe, expect, test } from 'vitest'
import { frameworks, type Service, startService } from '../examples/service.ts'
import { eventually } from '../support/eventually.ts'
import { startRedis } from '../support/redis-server.ts'
import { startTcpProxy } from '../support/tcp-proxy.ts'

/** The deadline of a store call, and the longest wait of a route: ship waits for 2 s. */
const DEADLINE = 2_000
/** What a loaded machine, and the handler itself, may add. */
const SLACK = 2_000
/** Longer than a request takes that is caught in its handler, whose own command fails first and then its release. */
const AWAY = 5_000

interface Answer {
  readonly route: string
  readonly at: number
  readonly took: number
  readonly status: number
}

/** Clients that pay, ship and report in a loop; the function returned ends them and gives their answers. */
function load(service: Service): () => Promise<Answer[]> {
  const routes: Record<string, (n: string) => Promise<{ status: number }>> = {
    pay: (n) => service.pay(`key-${n}`),
    // An order for each client: the lock is not what they wait for.
    ship: (n) => service.ship(`order-${n.split('-')[0]}`),
    reports: () => fetch(`${service.url}/reports`),
  }
  const answers: Answer[] = []
  let over = false
  const clients = Object.entries(routes).flatMap(([route, ask]) =>
    [1, 2, 3].map(async (client) => {
      for (let round = 0; !over; round++) {
        const at = performance.now()
        const { status } = await ask(`${client}-${round}`)
        answers.push({ route, at, took: performance.now() - at, status })
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
    }),
  )
  return async () => {
    over = true
    await Promise.all(clients)
    return answers
  }
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

async function outage(
  service: Service,
  reach: string,
  begin: () => Promise<unknown>,
  end: () => Promise<unknown>,
): Promise<void> {
  const stop = load(service)
  await pause(500)
  await begin()
  const began = performance.now()
  await pause(AWAY)
  await end()
  const probe = new Redis(reach, { retryStrategy: () => 20 })
  probe.on('error', () => {})
  await eventually(() => probe.ping(), { what: 'the first PING succeeds' })
  const pinged = performance.now()
  probe.disconnect()
  await pause(2_000)
  // From here on everything must be served again.
  await pause(1_500)
  const answers = await stop()

  const during = answers.filter(({ at }) => at > began && at < began + AWAY - 100)
  const after = answers.filter(({ at }) => at > pinged + 2_000)
  const routes = ['pay', 'ship', 'reports']
  const count = (list: Answer[], route: string, status: number) =>
    list.filter((each) => each.route === route && each.status === status).length
  console.log(
    routes
      .map((route) => `${route}: ${count(during, route, 503)} times 503 while away`)
      .concat(`slowest ${Math.round(Math.max(...during.map(({ took }) => took)))} ms`)
      .join(', '),
  )
  for (const route of routes) {
    expect(count(during, route, 503), `${route} while away`).toBeGreaterThan(0)
    const served = count(after, route, 200) + count(after, route, 201)
    expect(served, `${route} afterwards`).toBeGreaterThan(0)
  }
  expect([...new Set(during.map(({ status }) => status))]).toEqual([503])
  for (const { took } of during) expect(took).toBeLessThan(DEADLINE + SLACK)
  // Reports may be refused for want of a permit: that is no outage.
  const broken = after.filter(({ route, status }) => status >= 500 && route !== 'reports')
  expect(broken).toEqual([])
  expect((await fetch(`${service.url}/healthz`)).status).toBe(200)
  expect(service.process.stderr).not.toMatch(/unhandled|UnhandledPromiseRejection/i)
}

describe.each(frameworks)('the %s example under load', (framework) => {
  test('with Redis stopped', async () => {
    await using redis = await startRedis()
    await using service = await startService(framework, { REDIS_URL: redis.url })
    await outage(
      service,
      redis.url,
      () => redis.kill(),
      () => redis.restart(),
    )
  }, 60_000)

  test('with a link to Redis that accepts and says nothing', async () => {
    await using redis = await startRedis()
    await using proxy = await startTcpProxy(redis)
    const reach = proxy.through(redis.url)
    await using service = await startService(framework, { REDIS_URL: reach })
    await outage(
      service,
      reach,
      () => proxy.hold({ onResume: 'drop' }),
      () => proxy.pass(),
    )
  }, 60_000)
})
