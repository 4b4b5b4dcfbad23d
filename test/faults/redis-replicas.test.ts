// Grants that replicas must have: given out while enough of them do, and taken back otherwise.

import { Cluster, Redis } from 'ioredis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { RedisAdapter } from '../../src/adapters/redis/index.ts'
import { isInvalidArgumentError, isStoreUnavailableError, Lock } from '../../src/index.ts'
import { eventually } from '../support/eventually.ts'
import { countCommands } from '../support/redis-commands.ts'
import { type ReplicatedRedis, startReplicatedRedis } from '../support/redis-replicated.ts'

let servers: ReplicatedRedis
let redis: Redis
let provider: RedisAdapter
beforeAll(async () => {
  servers = await startReplicatedRedis()
  redis = new Redis(servers.master.url)
  provider = new RedisAdapter(redis, { deadline: 1_000, minReplicas: 1 })
})
afterAll(async () => {
  await provider.disconnect()
  redis.disconnect()
  await servers[Symbol.asyncDispose]()
})

const lockOf = (key: string): Lock => new Lock(undefined, { provider, key })

test('a grant is on the replica before it is given out, at once or after a wait', async () => {
  const direct = new Redis(servers.replica.url)
  const holderIds = async (key: string): Promise<string[]> =>
    (await direct.hkeys(`holdfast:{lock:${key}}:r`)).filter((field) => field.startsWith('h:'))
  const lock = lockOf('confirmed')
  const first = await lock.acquire()
  expect(await holderIds('confirmed')).toHaveLength(1)
  const [before] = await holderIds('confirmed')
  const waiting = lock.acquire({ timeout: 10_000 })
  await eventually(async () => (await lock.inspect()).waiters.length === 1)
  await first.release()
  const second = await waiting
  expect(await holderIds('confirmed')).toHaveLength(1)
  expect(await holderIds('confirmed')).not.toEqual([before])
  await second.release()
  direct.disconnect()
})

test('without its replica nothing is granted, nothing stays held, and what was held before is kept', async () => {
  const held = await lockOf('held').acquire()
  const waiting = lockOf('held')
    .acquire({ timeout: 10_000 })
    .catch((error: unknown) => error)
  await eventually(async () => (await lockOf('held').inspect()).waiters.length === 1)
  await servers.replica.kill()
  const error = await lockOf('unconfirmed')
    .acquire()
    .catch((reason: unknown) => reason)
  expect(isStoreUnavailableError(error) && error.outcome, String(error)).toBe('none')
  expect((await lockOf('unconfirmed').inspect()).holders).toEqual([])
  await held.extend(30_000)
  expect(await held.release()).toEqual({ released: true })
  expect(isStoreUnavailableError(await waiting)).toBe(true)
  await eventually(async () => (await lockOf('held').inspect()).holders.length === 0)
  await servers.replica.restart()
  const again = await eventually(() => lockOf('held').acquire({ timeout: 1_000 }), {
    within: 20_000,
  })
  await again.release()
})

test('without its replica all who ask at once are refused in time, and not one after the other', async () => {
  const patient = new RedisAdapter(redis, { deadline: 3_000, minReplicas: 1 })
  const many = Array.from({ length: 12 }, (_, at) => `together:${at}`)
  await servers.replica.kill()
  const refused: unknown[] = []
  const waits = await countCommands(
    servers.master.url,
    async () => {
      const locks = many.map((key) => new Lock(undefined, { provider: patient, key }))
      const answers = await Promise.allSettled(locks.map((lock) => lock.acquire()))
      for (const answer of answers) {
        refused.push(answer.status === 'rejected' ? answer.reason.outcome : answer.value)
      }
    },
    { where: ({ name }) => name === 'wait' },
  )
  expect(refused).toEqual(many.map(() => 'none'))
  // The first waits by itself, and the others together.
  expect(waits.length).toBeLessThanOrEqual(3)
  for (const key of many) expect((await lockOf(key).inspect()).holders).toEqual([])
  await patient.disconnect()
  await servers.replica.restart()
})

test('a Cluster, which cannot wait for replicas of one node, is refused', () => {
  const cluster = new Cluster([{ host: '127.0.0.1', port: 1 }], { lazyConnect: true })
  const make = () => new RedisAdapter(cluster, { minReplicas: 1 })
  expect(make).toThrow('Expected no `minReplicas` with a Cluster')
  try {
    make()
  } catch (error) {
    expect(isInvalidArgumentError(error)).toBe(true)
  }
  for (const minReplicas of [-1, 1.5, Number.NaN, '1' as never]) {
    expect(() => new RedisAdapter(redis, { minReplicas })).toThrow('`minReplicas`')
  }
})
