// A failover by Sentinel: what the new master knows is kept, what it does not know is lost, and tokens keep growing.

import { Redis } from 'ioredis'
import { expect, test } from 'vitest'
import { RedisAdapter } from '../../src/adapters/redis/index.ts'
import { Idempotency, Lock } from '../../src/index.ts'
import { eventually } from '../support/eventually.ts'
import { startRedisSentinels } from '../support/redis-sentinels.ts'
import { acquireWhenServed, whenServed } from '../support/when-served.ts'

test('a failover keeps what was replicated, loses the rest, and serves whoever waits', async () => {
  await using servers = await startRedisSentinels()
  const redis = new Redis({ ...servers.options })
  redis.on('error', () => {})
  const provider = new RedisAdapter(redis, { deadline: 1_000 })
  const lockOf = (key: string, ttl: number): Lock => new Lock(undefined, { provider, key, ttl })
  const idempotency = new Idempotency({ provider })

  const kept = lockOf('kept', 60_000)
  const guard = await kept.acquire()
  const waiting = acquireWhenServed(kept)
  await eventually(async () => (await kept.inspect()).waiters.length === 1)
  await idempotency.run('paid', () => 1)

  const direct = new Redis(servers.master.url)
  expect(await direct.wait(1, 10_000)).toBe(1)
  // Who is connected stays so; the replica is sent away and cannot come back.
  await direct.config('SET', 'requirepass', 'nobody knows')
  await direct.call('CLIENT', 'KILL', 'TYPE', 'replica')
  const lost = await lockOf('lost', 4_000).acquire()
  direct.disconnect()
  await servers.master.kill()

  const next = await acquireWhenServed(lockOf('lost', 4_000))
  expect(next.fencingToken).toBeGreaterThan(lost.fencingToken)
  // Two believe that they hold, until the first asks: the fence is what keeps it from writing.
  await eventually(() => lost.signal.aborted, { what: 'the first to learn it', within: 10_000 })
  expect(await lost.release()).toEqual({ released: false, reason: 'lost' })
  expect(await next.release()).toEqual({ released: true })

  expect(guard.held).toBe(true)
  expect(await guard.release()).toEqual({ released: true })
  const served = await waiting
  expect(served.fencingToken).toBeGreaterThan(guard.fencingToken)
  expect(await served.release()).toEqual({ released: true })
  expect(await whenServed(() => idempotency.run('paid', () => 2))).toMatchObject({
    value: 1,
    replayed: true,
  })

  await provider.disconnect()
  redis.disconnect()
}, 90_000)
