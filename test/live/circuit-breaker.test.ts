// Six processes share a breaker: they open together, probe one dependency together, and close together.

import { Redis } from 'ioredis'
import { afterAll, describe, expect, inject, test } from 'vitest'
import { RedisAdapter } from '../../src/adapters/redis/index.ts'
import { CircuitBreaker } from '../../src/index.ts'
import { type Child, type ChildMessage, startChild } from '../support/child.ts'
import { dropStore } from '../support/drop-store.ts'
import { deleteKeys } from '../support/redis-store.ts'
import type { StoreAt } from '../support/server-store.ts'

const PROCESSES = 6
/** How old a view may be while calls are made. */
const SYNC = 1_000

const name = `breaker_${process.pid}`
const stores: readonly StoreAt[] = [
  { kind: 'redis', url: inject('redisUrl'), name },
  { kind: 'postgres', url: inject('databaseUrl'), name },
]
/** What the dependency does is written in Redis, whatever the store of the breaker is. */
const dependencyUrl = inject('redisUrl')
const redis = new Redis(dependencyUrl)
afterAll(async () => {
  await redis.quit()
  for (const store of stores) await dropStore(store)
})

interface StateChange extends ChildMessage {
  readonly state: string
  readonly at: number
}

/** When every process has entered a state, by the server's clock, in order. */
async function entered(children: readonly Child[], state: string, within = 10_000) {
  const times = await Promise.all(
    children.map(async (child) => {
      for (;;) {
        const change = await child.next<StateChange>('state', within)
        if (change.state === state) return change.at
      }
    }),
  )
  return times.sort((a, b) => a - b)
}

function spread(times: readonly number[]): number {
  return (times.at(-1) ?? 0) - (times[0] ?? 0)
}

async function start(
  store: StoreAt,
  keyPrefix: string,
  probeLease: number,
  stack: AsyncDisposableStack,
) {
  const program = new URL('./breaker-child.ts', import.meta.url)
  const argument = { store, dependencyUrl, keyPrefix, probeLease }
  const children = Array.from({ length: PROCESSES }, () =>
    stack.use(startChild(program, { argument })),
  )
  await Promise.all(children.map((child) => child.next('ready', 20_000)))
  await new Promise((resolve) => setTimeout(resolve, 500))
  return children
}

/** Ends the processes; answers how many probes any of them has seen at a time, in all of them together. */
async function stop(children: readonly Child[]): Promise<number> {
  for (const child of children) child.send({ type: 'stop' })
  const done = await Promise.all(
    children.map((child) => child.next<ChildMessage & { mostProbes: number }>('done')),
  )
  return Math.max(...done.map(({ mostProbes }) => mostProbes))
}

describe.each(stores)('over $kind', (store) => {
  test('a dependency goes bad and good again', async () => {
    await using stack = new AsyncDisposableStack()
    const keyPrefix = `breaker-${store.kind}-${process.pid}:`
    await redis.set(`${keyPrefix}mood`, 'good')
    const children = await start(store, keyPrefix, 30_000, stack)

    await redis.set(`${keyPrefix}mood`, 'bad')
    const opened = await entered(children, 'open')
    expect(spread(opened)).toBeLessThanOrEqual(SYNC)
    // A probe that fails, and then it is well.
    await Promise.race(children.map((child) => child.next('probe')))
    await redis.set(`${keyPrefix}mood`, 'good')
    const closed = await entered(children, 'closed')
    expect(spread(closed)).toBeLessThanOrEqual(SYNC)
    console.log(
      `breaker over ${store.kind}: ${PROCESSES} processes open within ${Math.round(spread(opened))} ms of each other, closed within ${Math.round(spread(closed))} ms`,
    )
    const mostProbes = await stop(children)
    expect(mostProbes).toBeGreaterThan(0)
    expect(mostProbes).toBeLessThanOrEqual(2)
    expect(Number(await redis.get(`${keyPrefix}probes`))).toBe(0)
  }, 60_000)

  test('at most so many probes at a time; one whose process was killed is replaced', async () => {
    await using stack = new AsyncDisposableStack()
    const keyPrefix = `breaker-killed-${store.kind}-${process.pid}:`
    await redis.set(`${keyPrefix}mood`, 'bad')
    const children = await start(store, keyPrefix, 1_500, stack)
    // From now on a probe never answers.
    await redis.set(`${keyPrefix}mood`, 'stuck-probe')
    const probed = children.map((child) =>
      child
        .next<ChildMessage & { inside: number }>('probe', 10_000)
        .then((probe) => ({ child, probe })),
    )
    const first = await Promise.race(probed)
    for (const each of probed) each.catch(() => {})
    expect(first.probe.inside).toBeLessThanOrEqual(2)
    await first.child.kill('SIGKILL')
    await redis.set(`${keyPrefix}mood`, 'good')
    const survivors = children.filter((child) => child !== first.child)
    await entered(survivors, 'closed', 15_000)
    await stop(survivors)
  }, 60_000)

  test('a dependency that only hangs opens the breaker', async () => {
    await using stack = new AsyncDisposableStack()
    const keyPrefix = `breaker-hangs-${store.kind}-${process.pid}:`
    await redis.set(`${keyPrefix}mood`, 'good')
    const children = await start(store, keyPrefix, 30_000, stack)
    await redis.set(`${keyPrefix}mood`, 'hang')
    const opened = await entered(children, 'open')
    expect(spread(opened)).toBeLessThanOrEqual(SYNC)
    await stop(children)
  }, 60_000)
})

test('over Redis one that is isolated by hand stays so, however long nobody asks', async () => {
  const keyPrefix = `${name}_isolated:`
  const stateProvider = new RedisAdapter(redis, { keyPrefix })
  const breaker = new CircuitBreaker({ stateProvider, key: 'api' })
  const kept = async () => redis.pttl(String(await redis.keys(`${keyPrefix}*`)))
  try {
    await breaker.isolate()
    expect(await kept()).toBe(-1)
    await breaker.reset()
    expect(await kept()).toBeGreaterThan(0)
  } finally {
    await stateProvider.disconnect()
    await deleteKeys(redis, keyPrefix)
  }
})
