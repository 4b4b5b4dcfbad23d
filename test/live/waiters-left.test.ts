// Processes that have waited once and are gone leave nothing behind that grows.

import { Redis } from 'ioredis'
import { afterAll, expect, inject, test } from 'vitest'
import { exclusive } from '../../src/adapters/contract/requests.ts'
import { freshId } from '../../src/adapters/contract/trial.ts'
import { RedisAdapter } from '../../src/adapters/redis/index.ts'
import { deleteKeys } from '../support/redis-store.ts'

const redis = new Redis(inject('redisUrl'))
const keyPrefix = `waiters-left-${process.pid}:`
const { grants } = new RedisAdapter(redis, { keyPrefix })
afterAll(async () => {
  await deleteKeys(redis, keyPrefix)
  await redis.quit()
})

/** How many things are known of those who wait. */
const known = (resource: string) => redis.hlen(`${keyPrefix}{${resource}}:w`)

/** Somebody of a process of their own. */
const stranger = (resource: string) =>
  exclusive(resource, { wait: true, inbox: { id: freshId(), listening: false } })

test('once nobody waits any more, nothing is known of those who did', async () => {
  const resource = 'lock:quiet'
  for (let round = 0; round < 20; round++) {
    const [holder, waiter] = [stranger(resource), stranger(resource)]
    await grants.acquire(holder)
    await grants.acquire(waiter)
    await grants.release(resource, holder.id)
    await grants.release(resource, waiter.id)
  }
  expect(await known(resource)).toBe(0)
})

test('a process of which nothing is known any more waits as any other', async () => {
  const resource = 'lock:again'
  const inbox = { id: freshId(), listening: false }
  const mine = () => exclusive(resource, { wait: true, inbox })
  for (let round = 0; round < 3; round++) {
    const [holder, waiter] = [mine(), mine()]
    await grants.acquire(holder)
    await grants.acquire(waiter)
    await grants.release(resource, holder.id)
    expect((await grants.beat(resource, inbox, [waiter.id])).granted).toEqual([waiter.id])
    expect(await known(resource)).toBe(0)
    await grants.release(resource, waiter.id)
  }
})

test('where somebody always waits, those who come take away what is left of those who are gone', async () => {
  const resource = 'lock:busy'
  const inbox = { id: freshId(), listening: false }
  const [holder, last] = [stranger(resource), exclusive(resource, { wait: true, inbox })]
  await grants.acquire(holder)
  const pass = async (many: number): Promise<void> => {
    for (let at = 0; at < many; at++) {
      const passing = stranger(resource)
      await grants.acquire(passing)
      await grants.release(resource, passing.id)
    }
  }
  await grants.acquire(last)
  await pass(200)
  // Longer than a process counts as alive; the one that waits says all along that it is.
  for (let beats = 0; beats < 7; beats++) {
    await new Promise((resolve) => setTimeout(resolve, 500))
    await grants.beat(resource, inbox, [last.id])
  }
  await pass(100)
  expect(await known(resource)).toBeLessThan(200)
})
