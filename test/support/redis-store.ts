// The Redis store as the contract suite wants it: one user's client, and a prefix of its own that can be emptied.

import { randomUUID } from 'node:crypto'
import type { Redis } from 'ioredis'
import type { ContractStore } from '../../src/adapters/contract/index.ts'
import { RedisAdapter } from '../../src/adapters/redis/index.ts'

/** A store below a prefix that nobody else uses. */
export function redisStore(redis: () => Redis): ContractStore {
  const keyPrefix = `contract-${randomUUID()}:`
  return {
    open: async () => new RedisAdapter(redis(), { keyPrefix }),
    lose: () => deleteKeys(redis(), keyPrefix),
  }
}

/** Deletes the keys that start with a prefix; the server may be shared, so it is never flushed. */
export async function deleteKeys(redis: Redis, prefix: string): Promise<void> {
  let cursor = '0'
  do {
    const [next, keys] = await redis.scan(cursor, 'MATCH', `${prefix}*`, 'COUNT', 1_000)
    if (keys.length > 0) await redis.del(...keys)
    cursor = next
  } while (cursor !== '0')
}
