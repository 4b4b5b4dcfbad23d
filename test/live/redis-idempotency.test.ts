// Redis as a provider of idempotent calls and nothing else.

import { Redis } from 'ioredis'
import { afterAll, expect, inject, test } from 'vitest'
import { RedisAdapter, RedisIdempotencyAdapter } from '../../src/adapters/redis/index.ts'
import { Idempotency, isInvalidArgumentError, scope } from '../../src/index.ts'

const redis = new Redis(inject('redisUrl'))
const keyPrefix = `redis-idempotency-${process.pid}:`
afterAll(() => redis.quit())

test('a task that ran with it is replayed to whoever asks through an adapter of the same prefix', async () => {
  const provider = new RedisIdempotencyAdapter(redis, { keyPrefix })
  await using s = scope()
  let runs = 0
  const charge = async () => ({ charged: ++runs })
  const idempotency = { provider, key: 'payment:1', ttl: 60_000 }
  expect(await s.task(charge, { idempotency })).toEqual([undefined, { charged: 1 }])
  expect(await s.task(charge, { idempotency })).toEqual([undefined, { charged: 1 }])

  const whole = new RedisAdapter(redis, { keyPrefix })
  const other = new Idempotency({ provider: whole })
  expect(await other.run('payment:1', charge)).toMatchObject({ replayed: true })
  expect(runs).toBe(1)
  await whole.disconnect()
})

test('it has what idempotent calls need, and refuses what is no client', () => {
  const onEvent = () => {}
  const provider = new RedisIdempotencyAdapter(redis, { deadline: 500, onEvent })
  expect(Object.keys(provider).sort()).toEqual(['deadline', 'onEvent', 'records'])
  expect([provider.deadline, provider.onEvent]).toEqual([500, onEvent])
  for (const make of [
    () => new RedisIdempotencyAdapter({} as never),
    () => new RedisIdempotencyAdapter(redis, { deadline: 0 }),
    () => new RedisIdempotencyAdapter(redis, { keyPrefix: 1 as never }),
  ]) {
    try {
      make()
      expect.unreachable()
    } catch (error) {
      expect(isInvalidArgumentError(error), String(error)).toBe(true)
    }
  }
})
