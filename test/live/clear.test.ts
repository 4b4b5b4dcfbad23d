// Clearing looks for keys a few at a time, and never stops a server that others share.

import { Redis } from 'ioredis'
import { afterAll, expect, inject, test } from 'vitest'
import { RedisAdapter } from '../../src/adapters/redis/index.ts'
import { isInvalidArgumentError } from '../../src/index.ts'
import { countCommands } from '../support/redis-commands.ts'
import { deleteKeys } from '../support/redis-store.ts'

const url = inject('redisUrl')
const redis = new Redis(url)
const keyPrefix = `clear-${process.pid}:`
const { records } = new RedisAdapter(redis, { keyPrefix })
afterAll(async () => {
  await deleteKeys(redis, keyPrefix)
  await redis.quit()
})

test('what starts with a prefix is looked for and removed a few at a time', async () => {
  const outcome = { value: 'v', ttl: 60_000, meta: {} }
  for (let at = 0; at < 50; at++) await records.put({ record: `a:${at}`, ...outcome })
  await records.put({ record: 'b:0', ...outcome })
  const commands = await countCommands(url, () => records.clear('a:'), { client: 'holdfast' })
  expect(new Set(commands)).toEqual(new Set(['scan', 'unlink']))
  expect(await redis.keys(`${keyPrefix}*`)).toEqual([expect.stringContaining('b:0')])
})

test('a prefix that is longer than names can be found by is refused, and removes nothing', async () => {
  const prefix = ' '.repeat(65)
  await records.put({ record: prefix, value: 'v', ttl: 60_000, meta: {} })
  await expect(records.clear(prefix)).rejects.toSatisfy(isInvalidArgumentError)
  expect(await records.remove(prefix)).toBe(true)
})
