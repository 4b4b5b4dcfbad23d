// What keeps a process alive over PostgreSQL: somebody who waits for a lock, and nothing else of ours.

import { Pool } from 'pg'
import { expect, inject, test } from 'vitest'
import { PostgresAdapter } from '../../src/adapters/postgres/index.ts'
import { Lock } from '../../src/index.ts'
import { startChild } from '../support/child.ts'
import { eventually } from '../support/eventually.ts'

const url = inject('databaseUrl')

test('a program that awaits a lock at its top level waits; with its pool closed it ends by itself', async () => {
  const schema = `process_end_${process.pid}`
  const pool = new Pool({ connectionString: url })
  const provider = new PostgresAdapter(pool, { schema })
  const held = await new Lock(undefined, { provider, key: 'awaited' }).acquire()
  await using program = startChild(new URL('./postgres-top-level-child.ts', import.meta.url), {
    argument: { url, schema },
  })
  await program.next('waiting')
  const ended = program.exit.then(({ code, signal }) => `ended with ${signal ?? code}`)
  // Longer than a beat: what keeps it alive is not one timer that happens to run.
  const still = new Promise((resolve) => setTimeout(() => resolve('still waiting'), 2_500))
  expect(await Promise.race([ended, still])).toBe('still waiting')

  await held.release()
  expect(await program.next('acquired')).toMatchObject({ held: true })
  await program.next('closed')
  const closed = performance.now()
  expect(await program.exit).toEqual({ code: 0, signal: null })
  expect(performance.now() - closed).toBeLessThan(1_000)
  expect(program.stderr).toBe('')
  await provider.disconnect()
  await pool.query(`drop schema ${schema} cascade`)
  await pool.end()
})

test('a program that has used every primitive ends within a second of closing its pool', async () => {
  const schema = `every_primitive_${process.pid}`
  await using program = startChild(
    new URL('./postgres-every-primitive-child.ts', import.meta.url),
    { argument: { url, schema } },
  )
  await program.next('closed')
  const closed = performance.now()
  expect(await program.exit).toEqual({ code: 0, signal: null })
  expect(performance.now() - closed).toBeLessThan(1_000)
  expect(program.stderr).toBe('')
  const pool = new Pool({ connectionString: url })
  await pool.query(`drop schema ${schema} cascade`)
  await pool.end()
})

test('a pool that is closed takes the LISTEN session with it', async () => {
  const schema = `pool_end_${process.pid}`
  const pool = new Pool({ connectionString: url, application_name: schema })
  const provider = new PostgresAdapter(pool, { schema })
  const lock = new Lock(undefined, { provider, key: 'waited' })
  const guard = await lock.acquire()
  const waiting = lock.acquire({ timeout: 5_000 })
  await eventually(async () => (await lock.inspect()).waiters.length === 1)
  await guard.release()
  await (await waiting).release()
  const observer = new Pool({ connectionString: url })
  const sessions = async (): Promise<number> => {
    const { rowCount } = await observer.query(
      'select from pg_stat_activity where application_name = $1',
      [schema],
    )
    return rowCount ?? 0
  }
  expect(await sessions()).toBeGreaterThan(1)
  await pool.end()
  await eventually(async () => (await sessions()) === 0, { what: 'no session is left' })
  await expect(lock.acquire()).rejects.toThrow('closed')
  await observer.query(`drop schema ${schema} cascade`)
  await observer.end()
})
