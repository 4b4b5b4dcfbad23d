// The Redis store keeps the contract, over each ioredis that is supported, whatever else the user's client is for.

import { Redis } from 'ioredis'
import { Redis as Redis5 } from 'ioredis5'
import { afterAll, beforeAll, describe, inject } from 'vitest'
import { describeContract } from '../support/contract-run.ts'
import { contraryOptions } from '../support/contrary-options.ts'
import { deleteKeys, redisStore } from '../support/redis-store.ts'

// Another major version of the same client: its types differ where the adapter does not look.
const OlderRedis = Redis5 as unknown as typeof Redis

describe.each<readonly [string, () => Redis]>([
  ['ioredis 6', () => new Redis(inject('redisUrl'))],
  ['ioredis 5', () => new OlderRedis(inject('redisUrl'))],
  ['ioredis 6 for other ends', () => new Redis(inject('redisUrl'), contraryOptions)],
  ['ioredis 5 for other ends', () => new OlderRedis(inject('redisUrl'), contraryOptions)],
])('over %s', (client, connect) => {
  let direct: Redis
  let redis: Redis
  beforeAll(() => {
    direct = new Redis(inject('redisUrl'))
    redis = connect()
  })
  afterAll(async () => {
    await deleteKeys(direct, 'contract-')
    redis.disconnect()
    await direct.quit()
  })

  const store = () =>
    redisStore(
      () => redis,
      () => direct,
    )
  describeContract(`redis (${client})`, store, { concurrent: true })
})
