/**
 * The Redis store: `new RedisAdapter(redis)` over the user's ioredis client.
 *
 * @module
 */
export { RedisAdapter, type RedisAdapterOptions } from './adapter.ts'
export type { RedisClient } from './client.ts'
export { RedisIdempotencyAdapter, type RedisIdempotencyAdapterOptions } from './idempotency.ts'
