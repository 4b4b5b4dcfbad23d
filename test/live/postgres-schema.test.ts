// The schema of the PostgreSQL store: made by many at once, by hand, for a user with few rights, and never taken back.

import { Pool, type PoolConfig } from 'pg'
import { afterAll, expect, inject, test } from 'vitest'
import { migrations, PostgresAdapter } from '../../src/adapters/postgres/index.ts'
import { isInvalidArgumentError, isStoreUnavailableError, Lock } from '../../src/index.ts'
import { eventually } from '../support/eventually.ts'

const connectionString = inject('databaseUrl')
const admin = new Pool({ connectionString })
const prefix = `schema_${process.pid}`
const schemas: string[] = []
/** The name of a schema of our own. */
const fresh = (): string => {
  const schema = `${prefix}_${schemas.length}`
  schemas.push(schema)
  return schema
}
afterAll(async () => {
  for (const schema of schemas) await admin.query(`drop schema if exists ${schema} cascade`)
  await admin.end()
})

async function withAdapter<T>(
  schema: string,
  use: (adapter: PostgresAdapter) => Promise<T>,
  config: PoolConfig = {},
): Promise<T> {
  const pool = new Pool({ connectionString, max: 2, ...config })
  const adapter = new PostgresAdapter(pool, { schema, deadline: 10_000 })
  try {
    return await use(adapter)
  } finally {
    await adapter.disconnect()
    await pool.end()
  }
}

const lockIn = (adapter: PostgresAdapter): Promise<string> =>
  new Lock(undefined, { provider: adapter, key: 'job' }).run(async () => 'done')

async function applied(schema: string): Promise<number[]> {
  const { rows } = await admin.query(`select version from ${schema}.migrations order by version`)
  return rows.map(({ version }) => version)
}

test('twenty processes that start at once migrate once', async () => {
  const schema = fresh()
  const done = Array.from({ length: 20 }, () => withAdapter(schema, lockIn))
  expect(await Promise.all(done)).toEqual(done.map(() => 'done'))
  expect(await applied(schema)).toEqual(migrations().map(({ version }) => version))
})

test('a migration that takes longer than a caller waits goes on, and is there for the next', async () => {
  const schema = fresh()
  const pool = new Pool({ connectionString, max: 2 })
  const adapter = new PostgresAdapter(pool, { schema, deadline: 2_000 })
  const other = await admin.connect()
  await other.query('begin')
  await other.query(`create schema ${schema}`)
  const refusal = await adapter.connect().catch((error: unknown) => error)
  expect(isStoreUnavailableError(refusal) && refusal.outcome).toBe('none')
  await other.query('rollback')
  other.release()
  await eventually(async () => (await applied(schema)).length === migrations().length, {
    what: 'the migration to end',
  })
  expect(await lockIn(adapter)).toBe('done')
  await adapter.disconnect()
  await pool.end()
})

test('versions are numbered from one without a gap', () => {
  expect(migrations().map(({ version }) => version)).toEqual(
    migrations().map((_step, at) => at + 1),
  )
})

test('who migrated by hand needs no more than the use of the schema', async () => {
  const schema = fresh()
  const role = `${schema}_user`
  for (const { sql } of migrations(schema)) await admin.query(`begin; ${sql}; commit`)
  await admin.query(`create role ${role} login; grant usage on schema ${schema} to ${role};
    grant select, insert, update, delete on all tables in schema ${schema} to ${role}`)
  const url = new URL(connectionString)
  url.username = role
  const restricted = { connectionString: url.href }
  expect(await withAdapter(schema, lockIn, restricted)).toBe('done')
  const denied = await withAdapter(fresh(), lockIn, restricted).catch((error: unknown) => error)
  expect(isStoreUnavailableError(denied) && denied.outcome).toBe('none')
  expect(String(denied)).toContain('permission denied')
  await admin.query(`drop owned by ${role}; drop role ${role}`)
})

test('a schema that a newer release has migrated is refused', async () => {
  const schema = fresh()
  await withAdapter(schema, lockIn)
  await admin.query(`insert into ${schema}.migrations (version) values (1000)`)
  await expect(withAdapter(schema, (adapter) => adapter.connect())).rejects.toThrow(
    /version \d+ or older, got 1000/,
  )
  await admin.query(`delete from ${schema}.migrations where version = 1000`)
  expect(await withAdapter(schema, lockIn)).toBe('done')
})

test('a schema may be named by a word that SQL reserves', async () => {
  await admin.query('drop schema if exists "user" cascade')
  expect(await withAdapter('user', lockIn)).toBe('done')
  await admin.query('drop schema "user" cascade')
})

test('a hostile search path changes nothing', async () => {
  const schema = fresh()
  const hostile = fresh()
  await admin.query(`create schema ${hostile};
    create function ${hostile}.clock_timestamp() returns timestamptz language sql as $$ select 'epoch'::timestamptz $$;
    create function ${hostile}.greatest(bigint, bigint) returns bigint language sql as $$ select 1::bigint $$;
    create table ${hostile}.resources (key text)`)
  const token = await withAdapter(
    schema,
    (adapter) =>
      new Lock(undefined, { provider: adapter, key: 'job' }).run(
        async ({ fencingToken }) => fencingToken,
      ),
    { options: `-c search_path=${hostile},pg_catalog` },
  )
  expect(token).toBeGreaterThan(1.7e15)
})

test.each([
  ['schema', 'Upper'],
  ['schema', 'a; drop table x'],
  ['schema', ''],
  ['schema', 'x'.repeat(42)],
  ['keyPrefix', 'x'.repeat(201)],
  ['keyPrefix', 7],
  ['listen', 'yes'],
  ['durability', 'none'],
  ['deadline', 0],
  ['deadline', Number.NaN],
])('%s %j is refused without a byte on the wire', (option, value) => {
  const pool = new Pool({ connectionString: 'postgres://127.0.0.1:1/none' })
  const make = () => new PostgresAdapter(pool, { [option]: value })
  let refusal: unknown
  try {
    make()
  } catch (error) {
    refusal = error
  }
  expect(isInvalidArgumentError(refusal)).toBe(true)
  expect(pool.totalCount).toBe(0)
})

test('what is no pool is refused', () => {
  for (const wrong of [undefined, null, {}, 'postgres://', () => {}]) {
    expect(() => new PostgresAdapter(wrong as never)).toThrow('Expected `pool`')
  }
})
