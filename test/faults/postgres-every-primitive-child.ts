// A program that uses every primitive over PostgreSQL, leaves much of it open, and closes its pool.

import { Idempotency, Lock } from 'holdfast'
import { PostgresAdapter, PostgresIdempotencyAdapter } from 'holdfast/postgres'
import { Pool } from 'pg'
import { argument, tell } from '../support/parent.ts'
import { useEveryPrimitive } from './use-every-primitive.ts'

const { url, schema } = argument<{ url: string; schema: string }>()
const pool = new Pool({ connectionString: url })
const provider = new PostgresAdapter(pool, { schema })
await useEveryPrimitive(provider, new PostgresIdempotencyAdapter(pool, { schema }))

const client = await pool.connect()
await new Idempotency({ provider }).transaction(client, 'paid', () => 1)
const guard = await new Lock(undefined, { provider, key: 'fenced' }).acquire()
await client.query('begin')
await guard.fence(client)
await client.query('commit')
client.release()

await pool.end()
tell('closed')
