/**
 * The PostgreSQL store: `new PostgresAdapter(pool)` over the user's pg pool.
 *
 * @module
 */
export { PostgresAdapter, type PostgresAdapterOptions } from './adapter.ts'
export type { Durability } from './grants.ts'
export {
  PostgresIdempotencyAdapter,
  type PostgresIdempotencyAdapterOptions,
} from './idempotency.ts'
export { type Migration, migrations } from './migrations.ts'
