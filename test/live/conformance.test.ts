// The middlewares keep the same promises on real stores as in memory.

import { randomUUID } from 'node:crypto'
import express from 'express'
import { Redis } from 'ioredis'
import { Pool } from 'pg'
import { afterAll, beforeAll, describe, inject } from 'vitest'
import { PostgresAdapter } from '../../src/adapters/postgres/index.ts'
import { RedisAdapter } from '../../src/adapters/redis/index.ts'
import { describeConformance } from '../middleware/conformance/describe.ts'
import { expressFramework } from '../middleware/conformance/express-service.ts'
import { honoFramework } from '../middleware/conformance/hono-service.ts'
import { dropSchema } from '../support/postgres-store.ts'
import { deleteKeys } from '../support/redis-store.ts'

describe.each([
  ['express 5', expressFramework(express)],
  ['hono', honoFramework],
] as const)('%s', (label, framework) => {
  const everything = `conformance-${randomUUID()}:`
  const schema = `conformance_${randomUUID().replaceAll('-', '').slice(0, 20)}`
  let redis: Redis
  let pool: Pool
  beforeAll(async () => {
    redis = new Redis(inject('redisUrl'))
    pool = new Pool({ connectionString: inject('databaseUrl') })
    await new PostgresAdapter(pool, { schema }).connect()
  })
  afterAll(async () => {
    await deleteKeys(redis, everything)
    await redis.quit()
    await dropSchema(pool, schema)
    await pool.end()
  })

  describeConformance(framework, {
    label,
    store: 'redis',
    open: () => {
      const keyPrefix = `${everything}${randomUUID()}:`
      return () => new RedisAdapter(redis, { keyPrefix })
    },
  })

  describeConformance(framework, {
    label,
    store: 'postgres',
    open: () => {
      const keyPrefix = `${randomUUID()}:`
      return () => new PostgresAdapter(pool, { schema, keyPrefix })
    },
  })
})
