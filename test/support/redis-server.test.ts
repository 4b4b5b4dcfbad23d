// What the private Redis servers of the tests promise.

import { Redis } from 'ioredis'
import { expect, test } from 'vitest'
import { eventually } from './eventually.ts'
import { redisAnswers } from './redis-ping.ts'
import { startRedis } from './redis-server.ts'

/** A client that fails at once instead of hiding what the server does. */
const client = (url: string): Redis & AsyncDisposable => {
  const redis = new Redis(url, { retryStrategy: () => null, maxRetriesPerRequest: 0 })
  redis.on('error', () => {})
  return Object.assign(redis, {
    [Symbol.asyncDispose]: async () => redis.disconnect(),
  })
}

test('a started server answers, and a stopped one is gone', async () => {
  await using server = await startRedis()
  expect(await redisAnswers(server.port)).toBe(true)
  await server.stop()
  expect(await redisAnswers(server.port)).toBe(false)
})

test('a paused server keeps the connection and says nothing until it resumes', async () => {
  await using server = await startRedis()
  await using redis = client(server.url)
  await redis.ping()
  server.pause()
  const answer = redis.incr('n')
  const first = await Promise.race([answer, new Promise((r) => setTimeout(r, 200, 'silence'))])
  expect(first).toBe('silence')
  server.resume()
  expect(await answer).toBe(1)
})

test('a paused server can be stopped', async () => {
  await using server = await startRedis()
  server.pause()
  await server.stop()
  expect(await redisAnswers(server.port)).toBe(false)
})

test('a restarted server has the same port, another process and no data', async () => {
  await using server = await startRedis()
  const { pid } = server
  await using before = client(server.url)
  await before.set('k', 'v')
  await server.restart()
  expect(server.pid).not.toBe(pid)
  await using after = client(server.url)
  expect(await after.get('k')).toBe(null)
})

test('a persistent server has its data after a crash', async () => {
  await using server = await startRedis({ persist: true })
  await using before = client(server.url)
  await before.set('k', 'v')
  await server.kill()
  await server.restart()
  await using after = client(server.url)
  expect(await after.get('k')).toBe('v')
})

test('disposal ends the process', async () => {
  const server = await startRedis()
  const { pid } = server
  await server[Symbol.asyncDispose]()
  await eventually(() => isGone(pid), { what: `process ${pid} to be gone` })
})

test('a missing program is an error that says how to install it', async () => {
  await expect(startRedis({ binary: 'no-redis-here' })).rejects.toThrow(
    'Expected the program `no-redis-here` on PATH: install it with `apt-get install redis-server`',
  )
})

test('a server that cannot start says why', async () => {
  await expect(startRedis({ args: ['--maxmemory', 'lots'] })).rejects.toThrow('maxmemory')
})

test('a port that is taken is an error, not somebody else’s server', async () => {
  await using server = await startRedis()
  await expect(startRedis({ port: server.port })).rejects.toThrow('ended at start')
})

function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return false
  } catch {
    return true
  }
}
