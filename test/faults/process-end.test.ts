// What keeps a process alive: somebody who waits for a lock, and nothing else of ours.

import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { RedisAdapter } from '../../src/adapters/redis/index.ts'
import { Lock } from '../../src/index.ts'
import { startChild } from '../support/child.ts'
import { type RedisCluster, startRedisCluster } from '../support/redis-cluster.ts'

let cluster: RedisCluster
beforeAll(async () => {
  cluster = await startRedisCluster()
}, 60_000)
afterAll(() => cluster[Symbol.asyncDispose]())

test('a program that awaits a lock at its top level waits; with its client closed it ends by itself', async () => {
  const url = inject('redisUrl')
  const keyPrefix = `process-end-${process.pid}:`
  const redis = new Redis(url)
  const provider = new RedisAdapter(redis, { keyPrefix })
  const held = await new Lock(undefined, { provider, key: 'awaited' }).acquire()
  await using program = startChild(new URL('./top-level-child.ts', import.meta.url), {
    argument: { url, keyPrefix },
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
  await redis.quit()
})

describe.each([
  ['Redis', () => ({ url: inject('redisUrl') })],
  ['a cluster', () => ({ nodes: cluster.startupNodes })],
])('a program that has used every primitive over %s', (_where, server) => {
  test.each([
    ['closing its client', false],
    ['its last line, when its own client never connected', true],
  ])('ends within a second of %s', async (_end, lazy) => {
    await using program = startChild(new URL('./every-primitive-child.ts', import.meta.url), {
      argument: { ...server(), keyPrefix: `every-primitive-${process.pid}-${lazy}:`, lazy },
    })
    await program.next('closed')
    const closed = performance.now()
    expect(await program.exit).toEqual({ code: 0, signal: null })
    expect(performance.now() - closed).toBeLessThan(1_000)
    expect(program.stderr).toBe('')
  })
})
