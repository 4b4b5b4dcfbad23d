// The Redis store keeps the contract, over each ioredis that is supported.

import { Redis } from 'ioredis'
import { Redis as Redis5 } from 'ioredis5'
import { afterAll, beforeAll, describe, inject } from 'vitest'
import { describeContract } from '../support/contract-run.ts'
import { deleteKeys, redisStore } from '../support/redis-store.ts'

describe.each([
  ['ioredis 6', Redis],
  // Another major version of the same client: its types differ where the adapter does not look.
  ['ioredis 5', Redis5 as unknown as typeof Redis],
])('over %s', (client, Client) => {
  let redis: Redis
  beforeAll(() => {
    redis = new Client(inject('redisUrl'))
  })
  afterAll(async () => {
    await deleteKeys(redis, 'contract-')
    await redis.quit()
  })

  describeContract(`redis (${client})`, () => redisStore(() => redis), { concurrent: true })
})
