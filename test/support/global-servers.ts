// The servers of the live tests: those that REDIS_URL and DATABASE_URL name, else private ones for this run.

import { Redis } from 'ioredis'
import { Client } from 'pg'
import type { TestProject } from 'vitest/node'
import { startPostgres } from './postgres-server.ts'
import { startRedis } from './redis-server.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    /** A Redis shared by all live tests: use keys of your own, and never flush it. */
    redisUrl: string
    /** A PostgreSQL database shared by all live tests: use a schema of your own, and drop it. */
    databaseUrl: string
  }
}

/** A missing server fails the run: skipped live tests would look like passed ones. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const started: AsyncDisposable[] = []
  const end = async (): Promise<void> => {
    for (const server of started) await server[Symbol.asyncDispose]()
  }
  const provide = async (
    name: 'redisUrl' | 'databaseUrl',
    given: string | undefined,
    expect: (url: string) => Promise<void>,
    start: () => Promise<AsyncDisposable & { readonly url: string }>,
  ): Promise<void> => {
    if (given) await expect(given)
    const server = given ? undefined : await start()
    if (server) started.push(server)
    project.provide(name, given ?? server?.url ?? '')
  }
  try {
    await provide('redisUrl', process.env.REDIS_URL, expectRedis, () => startRedis())
    await provide('databaseUrl', process.env.DATABASE_URL, expectPostgres, () => startPostgres())
  } catch (error) {
    await end()
    throw error
  }
  return end
}

async function expectPostgres(url: string): Promise<void> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5_000 })
  try {
    await client.connect()
    await client.query('select 1')
  } catch (cause) {
    throw new Error(
      'Expected a PostgreSQL at DATABASE_URL, and none answered: start it, or unset DATABASE_URL to let the tests start a private one',
      { cause },
    )
  } finally {
    await client.end().catch(() => {})
  }
}

async function expectRedis(url: string): Promise<void> {
  const redis = new Redis(url, { lazyConnect: true, retryStrategy: () => null })
  let cause: unknown
  redis.on('error', (error) => {
    cause = error
  })
  try {
    await redis.ping()
  } catch (error) {
    throw new Error(
      'Expected a Redis at REDIS_URL, and none answered: start it, or unset REDIS_URL to let the tests start a private one',
      { cause: cause ?? error },
    )
  } finally {
    redis.disconnect()
  }
}
