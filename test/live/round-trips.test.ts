// What an uncontended operation costs on the wire: one command each, as the Redis server saw them.

import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { RedisAdapter } from '../../src/adapters/redis/index.ts'
import { Checkpointer, Idempotency, Lock, Semaphore } from '../../src/index.ts'
import { countCommands } from '../support/redis-commands.ts'

const url = inject('redisUrl')
const redis = new Redis(url)
const provider = new RedisAdapter(redis, { keyPrefix: `round-trips-${process.pid}:` })

/** The commands that the adapter's connections send during `work`. */
const commandsOf = (work: () => Promise<unknown>): Promise<string[]> =>
  countCommands(url, work, { where: ({ client }) => client?.startsWith('holdfast') })

beforeAll(async () => {
  // The connection's own handshake is no operation's.
  await provider.connect()
})
afterAll(async () => {
  await provider.disconnect()
  await redis.quit()
})

test('a lock is acquired by one command and released by one', async () => {
  const lock = new Lock(undefined, { provider, key: 'lock' })
  for (const _round of ['the scripts are new to the server', 'they are known']) {
    let held = await lock.acquire()
    await held.release()
    expect(
      await commandsOf(async () => {
        held = await lock.acquire()
      }),
    ).toHaveLength(1)
    expect(await commandsOf(() => held.release())).toHaveLength(1)
  }
})

test('the very first acquire of a process is one command too', async () => {
  const fresh = new RedisAdapter(redis, { keyPrefix: `first-${process.pid}:` })
  await fresh.connect()
  const lock = new Lock(undefined, { provider: fresh, key: 'first' })
  const commands = await commandsOf(async () => {
    await using _held = await lock.acquire()
  })
  expect(commands).toHaveLength(2)
  await fresh.disconnect()
})

test('a permit is acquired by one command and released by one', async () => {
  const semaphore = new Semaphore(2, { provider, key: 'semaphore' })
  let permit = await semaphore.acquire()
  await permit.release()
  expect(
    await commandsOf(async () => {
      permit = await semaphore.acquire()
    }),
  ).toEqual(['evalsha'])
  expect(await commandsOf(() => permit.release())).toEqual(['evalsha'])
})

test('an idempotent call begins by one command and completes by one; a replay is one', async () => {
  const idempotency = new Idempotency({ provider })
  await idempotency.run('warm-up', () => 1)
  expect(await commandsOf(() => idempotency.run('call', () => 1))).toEqual(['evalsha', 'evalsha'])
  expect(await commandsOf(() => idempotency.run('call', () => 2))).toEqual(['evalsha'])
})

test('a checkpoint is saved by one command and read by one; a task is resumed by two', async () => {
  const at = (sequence: number) => ({ taskId: 'adapter', sequence, timestamp: 0, state: sequence })
  await provider.saveCheckpoint(at(0))
  await provider.loadLatestCheckpoint('adapter')
  expect(await commandsOf(() => provider.saveCheckpoint(at(1)))).toEqual(['evalsha'])
  expect(await commandsOf(() => provider.loadLatestCheckpoint('adapter'))).toEqual(['evalsha'])
  const task = new Checkpointer(undefined, { provider, taskId: 'task' })
  await task.run((run) => run.save('warm up'))
  const commands = await commandsOf(() => task.run((run) => run.save('saved')))
  // Owned, read, saved, given back.
  expect(commands).toEqual(['evalsha', 'evalsha', 'evalsha', 'evalsha'])
})

test('a script that the server has forgotten costs one command more, and nobody notices', async () => {
  const lock = new Lock(undefined, { provider, key: 'flushed' })
  await (await lock.acquire()).release()
  await redis.script('FLUSH')
  const commands = await commandsOf(async () => {
    await using _held = await lock.acquire()
  })
  expect(commands).toEqual(['evalsha', 'eval', 'evalsha', 'eval'])
})

test('whatever is asked of a record or a history is one command', async () => {
  const { records, histories } = provider
  const meta = {}
  const put = { record: 'record', value: 'value', ttl: 60_000, meta }
  const claim = { ...put, id: 'id', lease: 60_000, takeover: 'never' as const, waits: true }
  const entry = { history: 'history', token: 1, sequence: 1, value: 'v', keep: 9, ttl: 9_999, meta }
  const notice = { channel: 'channel', text: 'text' }
  const all = [
    () => records.put({ ...put, notice }),
    () => records.remove('record', notice),
    () => records.begin(claim),
    () => records.renew('record', 'id', 60_000),
    () => records.commit({ ...put, id: 'id', notice }),
    () => records.drop('record', 'id', notice),
    () => histories.open('history', 1, 60_000),
    () => histories.append(entry),
    () => histories.read('history'),
    () => histories.list('history'),
    () => histories.trim('history', 1),
    () => histories.remove('history'),
  ]
  for (const ask of all) await ask()
  for (const ask of all) expect(await commandsOf(ask)).toEqual(['evalsha'])
})

test('records are cleared by scanning, a few at a time, and nothing that blocks the server', async () => {
  const { records } = provider
  for (let i = 0; i < 30; i++) {
    await records.put({ record: `clear:${i}`, value: '', ttl: 60_000, meta: {} })
  }
  const notice = { channel: 'cleared', text: 'clear:' }
  const commands = await commandsOf(() => records.clear('clear:', notice))
  expect([...new Set(commands)].sort()).toEqual(['publish', 'scan', 'unlink'])
  expect(commands.filter((name) => name === 'unlink')).toHaveLength(30)
})
