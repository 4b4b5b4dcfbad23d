// The PostgreSQL store as the contract suite wants it: one user's pool, and a prefix of its own that can be emptied.

import { randomUUID } from 'node:crypto'
import type { Pool } from 'pg'
import type { ContractStore } from '../../src/adapters/contract/index.ts'
import { PostgresAdapter, type PostgresAdapterOptions } from '../../src/adapters/postgres/index.ts'

/** A store below a prefix that nobody else uses, in a schema that many may share. */
export function postgresStore(
  pool: () => Pool,
  options: PostgresAdapterOptions & { readonly schema: string },
): ContractStore {
  const keyPrefix = `contract-${randomUUID()}:`
  return {
    open: async () => new PostgresAdapter(pool(), { ...options, keyPrefix }),
    lose: () => deleteRows(pool(), options.schema, keyPrefix),
  }
}

/** Deletes the rows whose keys start with a prefix. */
async function deleteRows(pool: Pool, schema: string, prefix: string): Promise<void> {
  await pool.query(
    `with waiters as (delete from ${schema}.waiters where starts_with(resource, $1)),
      resources as (delete from ${schema}.resources where starts_with(key, $1)),
      entries as (delete from ${schema}.entries where starts_with(history, $1)),
      histories as (delete from ${schema}.histories where starts_with(key, $1)),
      rates as (delete from ${schema}.rates where starts_with(key, $1)),
      breakers as (delete from ${schema}.breakers where starts_with(key, $1))
    delete from ${schema}.records where starts_with(key, $1)`,
    [prefix],
  )
}

/** Drops a schema with all that is in it. */
export async function dropSchema(pool: Pool, schema: string): Promise<void> {
  await pool.query(`drop schema if exists ${schema} cascade`)
}
