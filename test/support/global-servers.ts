// The servers of the live tests: the one that REDIS_URL names, else a private one for this run.

import { Redis } from 'ioredis'
import type { TestProject } from 'vitest/node'
import { startRedis } from './redis-server.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    /** A Redis shared by all live tests: use keys of your own, and never flush it. */
    redisUrl: string
  }
}

/** A missing server fails the run: skipped live tests would look like passed ones. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const given = process.env.REDIS_URL
  if (given) {
    await expectAnswer(given)
    project.provide('redisUrl', given)
    return async () => {}
  }
  const server = await startRedis()
  project.provide('redisUrl', server.url)
  return async () => server[Symbol.asyncDispose]()
}

async function expectAnswer(url: string): Promise<void> {
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
