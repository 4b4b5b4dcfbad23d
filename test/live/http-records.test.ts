// What a Redis really holds of an idempotent request: its answer, and nothing that is somebody's own.

import { randomUUID } from 'node:crypto'
import express from 'express'
import { Redis } from 'ioredis'
import { describe, expect, inject, test } from 'vitest'
import { RedisAdapter } from '../../src/adapters/redis/index.ts'
import { expressFramework } from '../middleware/conformance/express-service.ts'
import { honoFramework } from '../middleware/conformance/hono-service.ts'
import { json } from '../middleware/conformance/reply.ts'
import { deleteKeys } from '../support/redis-store.ts'

const SECRETS: readonly (readonly [name: string, value: string])[] = [
  ['Set-Cookie', 'session=secret-of-the-answer'],
  ['Authorization', 'secret-that-was-echoed'],
  ['WWW-Authenticate', 'Bearer realm="secret"'],
  ['Proxy-Authenticate', 'Basic realm="secret"'],
  ['X-Request-Id', 'secret-request'],
  ['X-Session', 'secret-session'],
  ['Keep-Alive', 'secret=5'],
]

/** Every key below a prefix, with its whole content. */
async function everythingBelow(redis: Redis, prefix: string): Promise<string> {
  const keys = await redis.keys(`${prefix}*`)
  const contents = keys.map(async (key) =>
    (await redis.type(key)) === 'hash' ? redis.hgetall(key) : redis.dump(key),
  )
  return JSON.stringify([keys, await Promise.all(contents)])
}

describe.each([
  ['express 5', expressFramework(express)],
  ['hono', honoFramework],
] as const)('%s', (_label, framework) => {
  test('two tenants with one key have records of their own, with no secret of either in them', async () => {
    const redis = new Redis(inject('redisUrl'))
    const keyPrefix = `http-records-${randomUUID()}:`
    const provider = new RedisAdapter(redis, { keyPrefix })
    const service = await framework.serve({
      use: [['requestScope', { provider }]],
      routes: {
        'POST /': {
          guards: [
            [
              'idempotency',
              { headers: SECRETS.map(([name]) => name).filter((name) => name !== 'X-Session') },
            ],
          ],
          handler: ({ header }) =>
            json({ for: header('x-tenant') }, 201, [...SECRETS, ['Location', '/payments/1']]),
        },
      },
    })
    const send = (tenant: string) =>
      service.client.post('/', {
        key: 'the-key-of-a-client',
        headers: {
          'x-tenant': tenant,
          authorization: `Bearer secret-of-${tenant}`,
          cookie: 'c=secret',
        },
        body: { password: 'secret-of-the-request' },
      })
    const [a, b] = [await send('a'), await send('b')]
    expect([a.json(), b.json()]).toEqual([{ for: 'a' }, { for: 'b' }])
    for (const [tenant, first] of [
      ['a', a],
      ['b', b],
    ] as const) {
      const again = await send(tenant)
      expect(again.text).toBe(first.text)
      expect([again.headers['idempotent-replayed'], again.headers.location]).toEqual([
        'true',
        '/payments/1',
      ])
      for (const [name] of SECRETS) {
        if (name !== 'Keep-Alive') expect(again.headers[name.toLowerCase()]).toBeUndefined()
      }
    }
    const held = await everythingBelow(redis, keyPrefix)
    expect(held).toContain('/payments/1')
    expect(held).not.toMatch(/secret|the-key-of-a-client|Bearer/i)
    await service[Symbol.asyncDispose]()
    await deleteKeys(redis, keyPrefix)
    await provider.disconnect()
    await redis.quit()
  })
})
