// Reads and changes a shared cache as the test orders, and has every load done by the test.

import { Cache } from 'holdfast'
import { PostgresAdapter } from 'holdfast/postgres'
import { RedisAdapter } from 'holdfast/redis'
import { Redis } from 'ioredis'
import { Pool } from 'pg'
import type { ChildMessage } from '../support/child.ts'
import { argument, hear, tell } from '../support/parent.ts'

/** What a child is told about the store and the cache. */
export interface CacheChildArgument {
  readonly store: 'Redis' | 'PostgreSQL'
  readonly url: string
  readonly keyPrefix: string
  readonly schema: string
  readonly memory: boolean
  readonly lease: number
}

/** What a child is to do. */
export interface Order extends ChildMessage {
  readonly type: 'order'
  readonly id: number
  readonly what: 'read' | 'set' | 'delete' | 'end'
  readonly key: string
  /** How many reads at once. */
  readonly times: number
  readonly value: string
}

const { store, url, keyPrefix, schema, memory, lease } = argument<CacheChildArgument>()
const redis = store === 'Redis' ? new Redis(url) : undefined
const pool = store === 'PostgreSQL' ? new Pool({ connectionString: url, max: 4 }) : undefined
const provider = redis
  ? new RedisAdapter(redis, { keyPrefix })
  : new PostgresAdapter(pool as Pool, { keyPrefix, schema })
const cache = new Cache<string>({
  provider,
  name: 'shared',
  ttl: 600_000,
  lease,
  ...(!memory && { memory: false }),
})
await provider.connect()

let loads = 0

async function load(key: string): Promise<string> {
  const number = ++loads
  tell('load', { key, number })
  const { value } = await hear<ChildMessage & { value: string }>(`loaded ${number}`)
  return value
}

async function obey({ what, key, times, value }: Order): Promise<unknown> {
  if (what === 'set') return await cache.set(key, value)
  if (what === 'delete') return await cache.delete(key)
  const reads = Array.from({ length: times }, () => cache.get(key, () => load(key)))
  return [...new Set(await Promise.all(reads))]
}

tell('ready')
for (;;) {
  const order = await hear<Order>('order')
  if (order.what === 'end') break
  void obey(order).then(
    (answer) => tell(`answer ${order.id}`, { answer }),
    (error: unknown) => tell(`answer ${order.id}`, { error: String(error) }),
  )
}
await redis?.quit()
await pool?.end()
tell('ended')
