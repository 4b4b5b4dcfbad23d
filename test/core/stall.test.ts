// A stall of the event loop, in real time: validity is computed when it is asked for, not set by a timer.

import { describe, expect, test } from 'vitest'
import {
  Idempotency,
  isLeaseLostError,
  Lock,
  type LockGuard,
  MemoryAdapter,
} from '../../src/index.ts'

/** Does what a long computation or garbage collection does: nothing else happens meanwhile. */
function stall(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

describe('a holder that stalled for longer than its ttl knows it at the first question', () => {
  test.each<[string, (guard: LockGuard) => unknown]>([
    ['held', (guard) => expect(guard.held).toBe(false)],
    ['remaining', (guard) => expect(guard.remaining()).toBe(0)],
    ['signal', (guard) => expect(guard.signal.reason).toSatisfy(isLeaseLostError)],
    [
      'assertHeld',
      (guard) => expect(() => guard.assertHeld()).toThrow('it could not be renewed in time'),
    ],
  ])('%s', async (_question, ask) => {
    const lock = new Lock(undefined, { provider: new MemoryAdapter(), key: 'k', ttl: 50 })
    const guard = await lock.acquire()
    const { signal } = guard
    stall(80)
    ask(guard)
    expect(signal.aborted).toBe(true)
  })
})

test('a holder that stalled does not take the lock from the next one when it releases', async () => {
  const provider = new MemoryAdapter()
  const stalled = await new Lock(undefined, { provider, key: 'k', ttl: 50 }).acquire()
  stall(80)
  const other = new Lock(undefined, { provider, key: 'k', ttl: 30_000 })
  const next = await other.acquire()
  expect(await stalled.release()).toEqual({ released: false, reason: 'expired' })
  expect(next.held).toBe(true)
  expect(await other.tryAcquire()).toBeUndefined()
  await next.release()
})

test('a holder that stalled cannot extend what it has lost', async () => {
  const provider = new MemoryAdapter()
  const stalled = await new Lock(undefined, { provider, key: 'k', ttl: 50 }).acquire()
  stall(80)
  await expect(stalled.extend(30_000)).rejects.toSatisfy(isLeaseLostError)
  expect(await new Lock(undefined, { provider, key: 'k' }).tryAcquire()).toBeDefined()
})

test('a grant whose answer came after a stall longer than its ttl is never handed out', async () => {
  const provider = new MemoryAdapter()
  const { grants } = provider
  const stalling = Object.assign(Object.create(provider), {
    grants: {
      acquire: async (request: Parameters<typeof grants.acquire>[0]) => {
        const reply = await grants.acquire(request)
        stall(80)
        return reply
      },
      release: grants.release.bind(grants),
    },
  })
  const lock = new Lock(undefined, { provider: stalling, key: 'k', ttl: 50 })
  await expect(lock.acquire({ timeout: 10_000 })).rejects.toThrow(
    "'k' was granted, but the answer took longer than its ttl of 50 ms",
  )
})

test('a claim whose answer came after a stall longer than its lease is given back, and nothing runs', async () => {
  const { records, ...rest } = new MemoryAdapter()
  let stalls = true
  const provider = {
    ...rest,
    records: {
      begin: async (request: Parameters<typeof records.begin>[0]) => {
        const reply = await records.begin(request)
        if (stalls) stall(80)
        stalls = false
        return reply
      },
      renew: records.renew.bind(records),
      commit: records.commit.bind(records),
      drop: records.drop.bind(records),
      put: records.put.bind(records),
      remove: records.remove.bind(records),
      clear: records.clear.bind(records),
    },
  }
  const idempotency = new Idempotency({ provider, lease: 50 })
  let runs = 0
  const work = () => ++runs
  await expect(idempotency.run('k', work)).rejects.toMatchObject({
    code: 'ERR_HOLDFAST_STORE_UNAVAILABLE',
    outcome: 'none',
  })
  expect(runs).toBe(0)
  expect(await idempotency.run('k', work)).toMatchObject({ value: 1, recovered: false })
})
