// The `Redis` and the adapters of the examples, exchanged for those of PostgreSQL.

import { PostgresAdapter } from 'holdfast/postgres'
import { Pool } from 'pg'

export {
  PostgresAdapter as RedisAdapter,
  PostgresIdempotencyAdapter as RedisIdempotencyAdapter,
} from 'holdfast/postgres'

export class Redis extends Pool {
  constructor(_asked?: unknown) {
    // No example closes its client: without `allowExitOnIdle`, none would end by itself.
    super({ connectionString: process.env.DATABASE_URL, allowExitOnIdle: true })
  }
}

/** The adapter of the first example, which others go on with. */
export const adapter: PostgresAdapter = new PostgresAdapter(new Redis())
