// How adapters use the client that they are given.

import { once } from 'node:events'
import { Redis } from 'ioredis'
import { expect, inject, test } from 'vitest'
import { RedisAdapter } from '../../src/adapters/redis/index.ts'

test('however many adapters share a client, they listen for its end once', async () => {
  const shared = new Redis(inject('redisUrl'))
  const before = shared.listenerCount('end')
  const adapters = Array.from({ length: 20 }, () => new RedisAdapter(shared))
  for (const adapter of adapters) await adapter.connect()
  expect(shared.listenerCount('end')).toBe(before + 1)
  await Promise.all([once(shared, 'end'), shared.quit()])
  await expect(adapters[0]?.connect()).rejects.toThrow('closed')
  expect(adapters.map((adapter) => adapter.isConnected())).not.toContain(true)
})
