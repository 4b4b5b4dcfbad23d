// A program over a pool whose last line is a top-level await: it must wait for the lock, and end by itself with its pool.

import { Checkpointer, Idempotency, LeaderElection, Lock, Semaphore } from 'holdfast'
import { PostgresAdapter } from 'holdfast/postgres'
import { Pool } from 'pg'
import { argument, tell } from '../support/parent.ts'

const { url, schema } = argument<{ url: string; schema: string }>()
const pool = new Pool({ connectionString: url })
const provider = new PostgresAdapter(pool, { schema })
await new Idempotency({ provider }).run('once', () => 1)
// A permit that is never released: its renewal must not keep the process alive.
await new Semaphore(2, { provider, key: 'kept' }).acquire()
// Nor must a task or a term whose function never ends.
const forever = () => new Promise(() => {})
void new Checkpointer(undefined, { provider, taskId: 'kept' }).run(forever)
void new LeaderElection(undefined, { provider, key: 'kept' }).run(forever)
tell('waiting')
const guard = await new Lock(undefined, { provider, key: 'awaited' }).acquire()
tell('acquired', { held: guard.held })
await pool.end()
tell('closed')
