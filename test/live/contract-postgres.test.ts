// The PostgreSQL store keeps the contract, whatever the session's defaults are and behind a transaction pooler.

import { Pool, type PoolConfig } from 'pg'
import { afterAll, beforeAll, describe, inject } from 'vitest'
import type { PostgresAdapterOptions } from '../../src/adapters/postgres/index.ts'
import { describeContract } from '../support/contract-run.ts'
import { type Pgbouncer, startPgbouncer, testsPgbouncer } from '../support/pgbouncer.ts'
import { dropSchema, postgresStore } from '../support/postgres-store.ts'

const url = inject('databaseUrl')
const pooled = testsPgbouncer()
let pgbouncer: Pgbouncer | undefined
beforeAll(async () => {
  if (pooled) pgbouncer = await startPgbouncer(url)
})
afterAll(async () => {
  await pgbouncer?.[Symbol.asyncDispose]()
})

interface Variant {
  readonly name: string
  readonly adapter?: PostgresAdapterOptions
  readonly pool: () => PoolConfig
}

const variants: readonly Variant[] = [
  { name: 'postgres', pool: () => ({ connectionString: url }) },
  {
    name: 'postgres (time zone Asia/Tokyo)',
    pool: () => ({ connectionString: url, options: '-c TimeZone=Asia/Tokyo' }),
  },
  {
    name: 'postgres (serializable)',
    pool: () => ({
      connectionString: url,
      options: '-c default_transaction_isolation=serializable',
    }),
  },
  {
    name: 'postgres (no LISTEN)',
    adapter: { listen: false },
    pool: () => ({ connectionString: url }),
  },
  ...(pooled
    ? [
        {
          name: 'postgres (pgbouncer)',
          adapter: { listen: false },
          pool: () => ({ connectionString: pgbouncer?.url }),
        },
      ]
    : []),
]

describe.each(variants.map((variant, at) => ({ ...variant, at })))(
  'over $name',
  ({ name, adapter, pool: config, at }) => {
    const schema = `contract_${process.pid}_${at}`
    let pool: Pool
    beforeAll(() => {
      pool = new Pool(config())
    })
    afterAll(async () => {
      await dropSchema(pool, schema)
      await pool.end()
    })

    describeContract(name, () => postgresStore(() => pool, { ...adapter, schema }), {
      concurrent: true,
    })
  },
)
