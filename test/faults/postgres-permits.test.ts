// Many racers for few permits on PostgreSQL: never more are held than there are, and never fewer than fit.

import { Pool } from 'pg'
import { expect, inject, test } from 'vitest'
import { PostgresAdapter } from '../../src/adapters/postgres/index.ts'
import { Semaphore } from '../../src/index.ts'

const RACERS = 12
const PERMITS = 3
const ROUNDS = 500

test(`${RACERS} racers for ${PERMITS} permits, ${ROUNDS} rounds: ${PERMITS} hold in each of them`, async () => {
  const schema = `permits_${process.pid}`
  const pools = Array.from(
    { length: 3 },
    () => new Pool({ connectionString: inject('databaseUrl') }),
  )
  // Generous, so that a slow machine refuses nobody.
  const providers = pools.map((pool) => new PostgresAdapter(pool, { schema, deadline: 10_000 }))
  const semaphores = Array.from(
    { length: RACERS },
    (_none, racer) =>
      new Semaphore(PERMITS, { provider: providers[racer % 3] as PostgresAdapter, key: 'raced' }),
  )
  const held: number[] = []
  for (let round = 0; round < ROUNDS; round++) {
    const tried = await Promise.all(semaphores.map((semaphore) => semaphore.tryAcquire()))
    const permits = tried.filter((permit) => permit !== undefined)
    held.push(permits.length)
    await Promise.all(permits.map((permit) => permit.release()))
  }
  expect(held).toEqual(Array.from({ length: ROUNDS }, () => PERMITS))
  await pools[0]?.query(`drop schema ${schema} cascade`)
  for (const provider of providers) await provider.disconnect()
  await Promise.all(pools.map((pool) => pool.end()))
}, 120_000)
