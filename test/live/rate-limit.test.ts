// Eight processes share one rate limit: no window is ever above it, and little of it is left unused.

import { Redis } from 'ioredis'
import { Pool } from 'pg'
import { afterAll, expect, inject, test } from 'vitest'
import { PostgresAdapter } from '../../src/adapters/postgres/index.ts'
import { RedisAdapter } from '../../src/adapters/redis/index.ts'
import { RateLimiter } from '../../src/index.ts'
import { type ChildMessage, startChild } from '../support/child.ts'
import { dropStore } from '../support/drop-store.ts'
import { countCommands } from '../support/redis-commands.ts'
import type { StoreAt } from '../support/server-store.ts'

const SECONDS = 20
const LIMIT = 100
const BURST = 100

const name = `rates_${process.pid}`
const stores: readonly StoreAt[] = [
  { kind: 'redis', url: inject('redisUrl'), name },
  { kind: 'postgres', url: inject('databaseUrl'), name },
]
const url = inject('redisUrl')
const redis = new Redis(url)
const keyPrefix = `${name}:`
const provider = new RedisAdapter(redis, { keyPrefix })
afterAll(async () => {
  await provider.disconnect()
  await redis.quit()
  for (const store of stores) await dropStore(store)
})

interface Done extends ChildMessage {
  readonly admitted: [after: number, before: number][]
  readonly asked: number
}

test.each(stores)(
  '100 in a second with a burst of 100, asked for by 8 processes over $kind',
  async (store) => {
    await using stack = new AsyncDisposableStack()
    const program = new URL('./rate-limit-child.ts', import.meta.url)
    const children = Array.from({ length: 8 }, () =>
      stack.use(startChild(program, { argument: store })),
    )
    await Promise.all(children.map((child) => child.next('ready', 20_000)))
    const until = Date.now() + SECONDS * 1_000
    for (const child of children) child.send({ type: 'go', until })
    const done = await Promise.all(
      children.map((child) => child.next<Done>('done', SECONDS * 1_000 + 20_000)),
    )
    const admitted = done.flatMap((each) => each.admitted).sort(([a], [b]) => a - b)
    const [[first] = [0]] = admitted
    const last = Math.max(...admitted.map(([, before]) => before))
    const quota = (LIMIT * (last - first)) / 1_000 + BURST
    console.log(
      `rate limit over ${store.kind}: ${admitted.length} of ${done.reduce((sum, { asked }) => sum + asked, 0)} asks admitted, ` +
        `${((100 * admitted.length) / quota).toFixed(1)} % of the quota`,
    )
    expect(admitted.length).toBeLessThanOrEqual(quota + 1)
    for (const window of [100, 1_000, 5_000]) {
      for (const [start] of admitted) {
        // Only what was certainly within the window counts: admitted after its start, and answered before its end.
        const within = admitted.filter(
          ([after, before]) => after >= start && before <= start + window,
        )
        expect(within.length).toBeLessThanOrEqual((LIMIT * window) / 1_000 + BURST)
      }
    }
  },
  60_000,
)

test('a check is one command; what is known to be exhausted is none', async () => {
  const limiter = new RateLimiter({ provider, key: 'trips', limit: 2, window: 60_000 })
  const commandsOf = (allowed: boolean) =>
    countCommands(
      url,
      async () => {
        expect((await limiter.consume()).allowed).toBe(allowed)
      },
      { where: ({ client }) => client.startsWith('holdfast') },
    )
  await limiter.consume()
  expect(await commandsOf(true)).toHaveLength(1)
  expect(await commandsOf(false)).toHaveLength(1)
  // It is asked once more for every second that this takes.
  await expect.poll(() => commandsOf(false)).toHaveLength(0)
})

test.each([1, 2])(
  'no fraction of a microsecond is given away by the rules of a limit: %i',
  async (count) => {
    const pool = new Pool({ connectionString: inject('databaseUrl') })
    const postgres = new PostgresAdapter(pool, { schema: name })
    const limiter = `fractions:${count}`
    // A third of a microsecond is lost when each charge is rounded to the nearest.
    const rule = { interval: 1_000_000 / 3_000, burst: 1_000_000 }
    const rules = Array.from({ length: count }, (_, at) => ({ ...rule, name: `rule ${at}` }))
    const charged = {
      redis: async () => {
        const keys = await redis.keys(`${keyPrefix}*${limiter}*`)
        return (await redis.mget(keys.sort())).map(Number)
      },
      postgres: async () => {
        const { rows } = await pool.query(
          `select arrival::text from ${name}.rates where strpos(key, $1) > 0 order by key`,
          [limiter],
        )
        return rows.map(({ arrival }) => Number(arrival))
      },
    }
    for (const [{ rates }, arrivals] of [
      [provider, charged.redis],
      [postgres, charged.postgres],
    ] as const) {
      // So far ahead that it does not matter how long the rest takes.
      await rates.consume({ limiter, rules, cost: 900_000 })
      const before = await arrivals()
      for (let call = 0; call < 30; call++) await rates.consume({ limiter, rules, cost: 1 })
      const spent = (await arrivals()).map((arrival, at) => arrival - (before[at] ?? 0))
      expect(spent).toHaveLength(count)
      for (const each of spent) expect(each).toBeGreaterThanOrEqual(30 * rule.interval)
    }
    await postgres.disconnect()
    await pool.end()
  },
)

test('several rules are one command and one decision, and leave no key behind', async () => {
  const rules = [
    { limit: 3, window: 200 },
    { limit: 5, window: 400 },
  ]
  const limiter = new RateLimiter({ provider, key: 'rules', rules })
  const answers = await Promise.all(Array.from({ length: 20 }, () => limiter.consume()))
  expect(answers.filter(({ allowed }) => allowed)).toHaveLength(3)
  expect(await limiter.peek()).toMatchObject({ remaining: 0, rule: '3-in-200ms' })
  const keys = await redis.keys(`${keyPrefix}*rules*`)
  expect(keys).toHaveLength(2)
  for (const key of keys) expect(await redis.pttl(key)).toBeGreaterThan(0)
  await limiter.reset()
  expect(await redis.keys(`${keyPrefix}*rules*`)).toEqual([])
})
