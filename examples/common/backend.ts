// What the processes of the service share: Redis when REDIS_URL is set, else the memory of this process.
import { type Adapter, MemoryAdapter } from 'holdfast'
import { RedisAdapter } from 'holdfast/redis'
import { Redis } from 'ioredis'
import { LoadingBay } from './loading-bay.ts'
import { type Payments, paymentsInMemory, paymentsInRedis } from './payments.ts'

export interface Backend {
  /** The store of locks, permits and idempotency keys. */
  readonly provider: Adapter
  readonly payments: Payments
  readonly bay: LoadingBay
  close(): Promise<void>
}

export async function connect(redisUrl: string | undefined): Promise<Backend> {
  if (!redisUrl) {
    const payments = paymentsInMemory()
    const bay = new LoadingBay(undefined)
    return { provider: new MemoryAdapter(), payments, bay, close: async () => {} }
  }
  const redis = new Redis(redisUrl, {
    lazyConnect: true,
    // A request that fails soon can be tried again; one that waits for a dead Redis helps nobody.
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: 1_000,
    socketTimeout: 1_500,
    retryStrategy: (attempt) => Math.min(attempt * 50, 500),
  })
  // Every call tells of its own failure; without a listener each reconnect would be written to the console too.
  redis.on('error', () => {})
  await redis.connect().catch((cause) => {
    throw new Error('Expected a Redis at REDIS_URL, and none answered', { cause })
  })
  const provider = new RedisAdapter(redis, { keyPrefix: 'demo:holdfast:' })
  await provider.connect()
  const close = async (): Promise<void> => {
    await provider.disconnect()
    redis.disconnect()
  }
  return { provider, payments: paymentsInRedis(redis), bay: new LoadingBay(redis), close }
}
