// The Redis store as the contract suite wants it: one user's client, and a prefix of its own that can be emptied.

import { randomUUID } from 'node:crypto'
import type { ContractStore } from '../../src/adapters/contract/index.ts'
import { RedisAdapter, type RedisClient } from '../../src/adapters/redis/index.ts'

/** A store below a prefix that nobody else uses; `direct` empties it where the user's client is for other ends. */
export function redisStore(
  client: () => RedisClient,
  direct: () => RedisClient = client,
): ContractStore {
  const keyPrefix = `contract-${randomUUID()}:`
  return {
    open: async () => new RedisAdapter(client(), { keyPrefix }),
    lose: () => deleteKeys(direct(), `${client().options.keyPrefix ?? ''}${keyPrefix}`),
  }
}

/** Deletes the keys that start with a prefix; the server may be shared, so it is never flushed. */
export async function deleteKeys(client: RedisClient, prefix: string): Promise<void> {
  const masters = 'nodes' in client ? client.nodes('master') : [client]
  for (const master of masters) {
    let cursor = '0'
    do {
      const [next, keys] = await master.scan(cursor, 'MATCH', `${prefix}*`, 'COUNT', 1_000)
      for (const key of keys) await master.del(key)
      cursor = next
    } while (cursor !== '0')
  }
}
