// Idempotent calls over PostgreSQL, for who needs nothing else of it.
import type { Pool } from 'pg'
import type { Adapter, EventListener, Records, Transactions } from '../../core/ports.ts'
import { PostgresAdapter, type PostgresAdapterOptions } from './adapter.ts'

/** Options of a {@link PostgresIdempotencyAdapter}: those of a `PostgresAdapter` that concern idempotent calls. */
export type PostgresIdempotencyAdapterOptions = Pick<
  PostgresAdapterOptions,
  'keyPrefix' | 'schema' | 'deadline' | 'onEvent'
>

/**
 * The part of a `PostgresAdapter` that idempotent calls need, as a provider of its own.
 *
 * It shares its records with every `PostgresAdapter` of the same `keyPrefix` and `schema`, and opens no connection beside
 * the pool.
 *
 * @example
 * ```ts
 * import { scope } from 'holdfast'
 * import { PostgresIdempotencyAdapter } from 'holdfast/postgres'
 * import { Pool } from 'pg'
 *
 * const pool = new Pool({ connectionString: process.env.DATABASE_URL })
 * const provider = new PostgresIdempotencyAdapter(pool, { keyPrefix: 'shop:' })
 * await using s = scope()
 * const charge = async () => ({ charged: true })
 * const [error, result] = await s.task(charge, { idempotency: { provider, key: 'payment:42' } })
 * console.log(error ?? result)
 * await pool.end()
 * ```
 */
export class PostgresIdempotencyAdapter
  implements Pick<Adapter, 'records' | 'transactions' | 'deadline' | 'onEvent'>
{
  /** Idempotent calls. */
  readonly records: Records
  /** What commits an outcome together with its effect. */
  readonly transactions: Transactions
  /** The longest that one call may take, in milliseconds. */
  readonly deadline: number
  /** Told of outcomes that could not be recorded and other background faults. */
  readonly onEvent: EventListener | undefined

  /**
   * Makes the provider without connecting.
   *
   * @throws InvalidArgumentError when `pool` is not a pg Pool or an option is not of the documented form
   */
  constructor(pool: Pool, options: PostgresIdempotencyAdapterOptions = {}) {
    const { records, transactions, deadline, onEvent } = new PostgresAdapter(pool, options)
    this.records = records
    this.transactions = transactions
    this.deadline = deadline
    this.onEvent = onEvent
  }
}
