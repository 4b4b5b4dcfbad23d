// The middlewares keep the same promises on Redis as in memory.

import { randomUUID } from 'node:crypto'
import express from 'express'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, inject } from 'vitest'
import { RedisAdapter } from '../../src/adapters/redis/index.ts'
import { describeConformance } from '../middleware/conformance/describe.ts'
import { expressFramework } from '../middleware/conformance/express-service.ts'
import { honoFramework } from '../middleware/conformance/hono-service.ts'
import { deleteKeys } from '../support/redis-store.ts'

describe.each([
  ['express 5', expressFramework(express)],
  ['hono', honoFramework],
] as const)('%s', (label, framework) => {
  const everything = `conformance-${randomUUID()}:`
  let redis: Redis
  beforeAll(() => {
    redis = new Redis(inject('redisUrl'))
  })
  afterAll(async () => {
    await deleteKeys(redis, everything)
    await redis.quit()
  })

  describeConformance(framework, {
    label,
    store: 'redis',
    open: () => {
      const keyPrefix = `${everything}${randomUUID()}:`
      return () => new RedisAdapter(redis, { keyPrefix })
    },
  })
})
