// The trace of contended requests, between adapters that share a Redis.

import { randomUUID } from 'node:crypto'
import express from 'express'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, inject } from 'vitest'
import { RedisAdapter } from '../../src/adapters/redis/index.ts'
import { expressFramework } from '../middleware/conformance/express-service.ts'
import { honoFramework } from '../middleware/conformance/hono-service.ts'
import { deleteKeys } from '../support/redis-store.ts'
import { describeContendedRequests } from '../telemetry/contended-requests.ts'

const everything = `contended-${randomUUID()}:`
let redis: Redis
beforeAll(() => {
  redis = new Redis(inject('redisUrl'))
})
afterAll(async () => {
  await deleteKeys(redis, everything)
  await redis.quit()
})

for (const framework of [expressFramework(express), honoFramework]) {
  describeContendedRequests(framework, () => {
    const keyPrefix = `${everything}${randomUUID()}:`
    return () => new RedisAdapter(redis, { keyPrefix })
  })
}
