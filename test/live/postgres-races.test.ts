// Operations of the PostgreSQL store that wait for a row: they answer by what it holds when they get it.

import { Pool, type PoolClient } from 'pg'
import { afterAll, expect, inject, test } from 'vitest'
import { once } from '../../src/adapters/contract/requests.ts'
import { PostgresAdapter } from '../../src/adapters/postgres/index.ts'
import { eventually } from '../support/eventually.ts'

const schema = `races_${process.pid}`
const pool = new Pool({ connectionString: inject('databaseUrl') })
const provider = new PostgresAdapter(pool, { schema, deadline: 20_000 })
const { records } = provider
afterAll(async () => {
  await provider.disconnect()
  await pool.query(`drop schema ${schema} cascade`)
  await pool.end()
})

const keyOf = (record: string): string => `holdfast:{${record}}`

/** What an operation comes to that has read a record, and gets its row only when somebody else has changed it. */
async function overtaken<T>(
  record: string,
  operation: () => Promise<T>,
  change: (other: PoolClient, key: string) => Promise<unknown>,
): Promise<T> {
  const other = await pool.connect()
  try {
    await other.query('begin')
    await other.query(`select from ${schema}.records where key = $1 for update`, [keyOf(record)])
    const answer = operation()
    await eventually(
      async () => {
        const { rowCount } = await pool.query(`select from pg_stat_activity
          where wait_event_type = 'Lock' and query like '%${schema}"%record_%'`)
        return rowCount === 1
      },
      { what: 'the operation to wait for the row' },
    )
    await change(other, keyOf(record))
    await other.query('commit')
    return await answer
  } finally {
    other.release()
  }
}

test('a claim does not answer with an outcome that was removed while it waited', async () => {
  await records.put({ record: 'removed', value: 'old', ttl: 60_000, freshFor: 0, meta: {} })
  const reply = await overtaken(
    'removed',
    () => records.begin(once('removed')),
    (other, key) => other.query(`select ${schema}.record_remove($1, null, null)`, [key]),
  )
  expect(reply).toMatchObject({ state: 'claimed', stale: undefined, lost: undefined })
})

test('a claim has not taken over an execution that was dropped while it waited', async () => {
  const lost = once('dropped')
  await records.begin(lost)
  await records.renew('dropped', lost.id, 0)
  const reply = await overtaken(
    'dropped',
    () => records.begin(once('dropped', { takeover: 'recover' })),
    (other, key) => other.query(`select ${schema}.record_drop($1, $2, null, null)`, [key, lost.id]),
  )
  expect(reply).toMatchObject({ state: 'claimed', stale: undefined, lost: undefined })
})
