// Idempotent calls over Redis, for who needs nothing else of it.
import type { Adapter, EventListener, Records } from '../../core/ports.ts'
import { RedisAdapter, type RedisAdapterOptions } from './adapter.ts'
import type { RedisClient } from './client.ts'

/** Options of a {@link RedisIdempotencyAdapter}: those of a `RedisAdapter` that concern idempotent calls. */
export type RedisIdempotencyAdapterOptions = Pick<
  RedisAdapterOptions,
  'keyPrefix' | 'deadline' | 'onEvent'
>

/**
 * The part of a `RedisAdapter` that idempotent calls need, as a provider of its own.
 *
 * It shares its records with every `RedisAdapter` of the same `keyPrefix`, opens one connection and closes it with the
 * user's client.
 *
 * @example
 * ```ts
 * import { scope } from 'holdfast'
 * import { RedisIdempotencyAdapter } from 'holdfast/redis'
 * import { Redis } from 'ioredis'
 *
 * const redis = new Redis(process.env.REDIS_URL ?? 'redis://127.0.0.1:6379')
 * const provider = new RedisIdempotencyAdapter(redis, { keyPrefix: 'shop:' })
 * await using s = scope()
 * const charge = async () => ({ charged: true })
 * const [error, result] = await s.task(charge, { idempotency: { provider, key: 'payment:42' } })
 * console.log(error ?? result)
 * await redis.quit()
 * ```
 */
export class RedisIdempotencyAdapter implements Pick<Adapter, 'records' | 'deadline' | 'onEvent'> {
  /** Idempotent calls. */
  readonly records: Records
  /** The longest that one call may take, in milliseconds. */
  readonly deadline: number
  /** Told of outcomes that could not be recorded and other background faults. */
  readonly onEvent: EventListener | undefined

  /**
   * Makes the provider without connecting.
   *
   * @throws InvalidArgumentError when `redis` is not an ioredis client or an option is not of the documented form
   */
  constructor(redis: RedisClient, options: RedisIdempotencyAdapterOptions = {}) {
    const { records, deadline, onEvent } = new RedisAdapter(redis, options)
    this.records = records
    this.deadline = deadline
    this.onEvent = onEvent
  }
}
