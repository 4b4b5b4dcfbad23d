// A holder whose event loop stalls for longer than its ttl knows at once, and does the next holder no harm.

import { Redis } from 'ioredis'
import { expect, inject, test } from 'vitest'
import { RedisAdapter } from '../../src/adapters/redis/index.ts'
import { Lock, MemoryAdapter } from '../../src/index.ts'
import { startChild } from '../support/child.ts'

test('on Redis, the stalled holder throws at once and cannot release the next holder', async () => {
  const url = inject('redisUrl')
  const keyPrefix = `stall-${process.pid}:`
  const redis = new Redis(url)
  const provider = new RedisAdapter(redis, { keyPrefix })
  const lock = new Lock(undefined, { provider, key: 'stalled' })
  await using stalled = startChild(new URL('./stall-child.ts', import.meta.url), {
    argument: { url, keyPrefix },
  })
  const { token } = await stalled.next<{ type: 'held'; token: number }>('held')
  stalled.send({ type: 'stall' })

  const next = await lock.acquire({ timeout: 10_000 })
  expect(next.fencingToken).toBeGreaterThan(token)
  expect(await stalled.next('woken')).toMatchObject({
    code: 'ERR_HOLDFAST_LEASE_LOST',
    held: false,
    aborted: true,
    remaining: 0,
  })
  stalled.send({ type: 'release' })
  expect(await stalled.next('released')).toMatchObject({ released: false, reason: 'expired' })

  expect(next.held).toBe(true)
  expect((await lock.inspect()).holders).toHaveLength(1)
  expect(await next.release()).toEqual({ released: true })
  await provider.disconnect()
  await redis.quit()
})

test('in memory, the same', async () => {
  const lock = new Lock(undefined, { provider: new MemoryAdapter(), key: 'stalled', ttl: 60 })
  const stalled = await lock.acquire()
  const next = lock.acquire()
  const until = performance.now() + 200
  while (performance.now() < until);
  expect(() => stalled.assertHeld()).toThrow(/no longer held/)
  const taken = await next
  expect(await stalled.release()).toEqual({ released: false, reason: 'expired' })
  expect(taken.held).toBe(true)
  expect(await taken.release()).toEqual({ released: true })
})
