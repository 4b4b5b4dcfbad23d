// Acquires that are given up at any moment leave nothing held, nothing queued, and no listener.

import { Redis } from 'ioredis'
import { expect, inject, test } from 'vitest'
import { RedisAdapter } from '../../src/adapters/redis/index.ts'
import { Lock, MemoryAdapter } from '../../src/index.ts'
import { startChild } from '../support/child.ts'
import { abortStorm } from './abort-storm.ts'

test('ten thousand aborted acquires leave nothing in memory', async () => {
  const provider = new MemoryAdapter()
  const rival = new Lock(undefined, { provider, key: 'a' })
  let over = false
  const rivalry = (async () => {
    while (!over) await rival.run(() => new Promise((resolve) => setTimeout(resolve, 2)))
  })()
  const { granted, aborted, listeners, clear } = await abortStorm(provider)
  over = true
  await rivalry
  console.log(`memory: ${granted} granted, ${aborted} aborted`)
  expect(granted + aborted).toBe(10_000)
  expect(Math.min(granted, aborted)).toBeGreaterThan(100)
  expect(listeners).toBe(0)
  await clear()
}, 60_000)

test('ten thousand aborted acquires leave nothing on Redis, while another process takes the same names', async () => {
  const url = inject('redisUrl')
  const keyPrefix = `aborts-${process.pid}:`
  await using rival = startChild(new URL('./rival-child.ts', import.meta.url), {
    argument: { url, keyPrefix, keys: ['a', 'b', 'c', 'd', 'e'] },
  })
  await rival.next('ready')
  const redis = new Redis(url)
  const provider = new RedisAdapter(redis, { keyPrefix })
  const { granted, aborted, listeners, clear } = await abortStorm(provider)
  rival.send({ type: 'stop' })
  const { rounds } = await rival.next<{ type: 'rounds'; rounds: number }>('rounds')
  console.log(`redis: ${granted} granted, ${aborted} aborted, rival rounds ${rounds}`)
  expect(granted + aborted).toBe(10_000)
  expect(Math.min(granted, aborted)).toBeGreaterThan(100)
  expect(rounds).toBeGreaterThan(10)
  expect(listeners).toBe(0)
  await clear()
  const queues = (await redis.keys(`${keyPrefix}*`)).filter((key) => key.endsWith(':q'))
  expect(queues).toEqual([])
  await provider.disconnect()
  await redis.quit()
}, 90_000)
