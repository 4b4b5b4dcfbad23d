// Makes a payment in an idempotent transaction, and stops between its effect and the commit until it is told to go on.

import { Idempotency } from 'holdfast'
import { PostgresAdapter } from 'holdfast/postgres'
import { Pool } from 'pg'
import { argument, hear, tell } from '../support/parent.ts'

const { url, schema, table, lease } = argument<{
  url: string
  schema: string
  table: string
  lease: number
}>()
const pool = new Pool({ connectionString: url })
const provider = new PostgresAdapter(pool, { schema })
const payments = new Idempotency({ provider, lease })
const client = await pool.connect()
try {
  await payments.transaction(client, 'order-1', async (tx) => {
    await tx.query(`insert into ${table} (id) values ('by the child')`)
    tell('paid')
    await hear('go')
  })
  tell('done', { error: undefined })
} catch (error) {
  tell('done', { error: (error as Error).name })
}
client.release()
await pool.end()
