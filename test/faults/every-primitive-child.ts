// A program that uses every primitive over Redis, leaves much of it open, and closes its client.

import { RedisAdapter, RedisIdempotencyAdapter } from 'holdfast/redis'
import { Cluster, Redis } from 'ioredis'
import { argument, tell } from '../support/parent.ts'
import { useEveryPrimitive } from './use-every-primitive.ts'

type Address = { readonly host: string; readonly port: number }

const { url, nodes, keyPrefix, lazy } = argument<{
  readonly url?: string
  readonly nodes?: Address[]
  readonly keyPrefix: string
  /** Whether the program's own client never connects, and so has nothing to close. */
  readonly lazy: boolean
}>()
const redis = nodes
  ? new Cluster(nodes, { slotsRefreshInterval: 500, lazyConnect: lazy })
  : new Redis(`${url}`, { lazyConnect: lazy })
const provider = new RedisAdapter(redis, { keyPrefix })
await provider.connect()
await useEveryPrimitive(provider, new RedisIdempotencyAdapter(redis, { keyPrefix }))

if (!lazy) await redis.quit()
tell('closed')
