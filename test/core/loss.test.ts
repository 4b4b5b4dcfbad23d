// Losing a lock: the holder learns it at once, and touches nothing of the next holder.

import { describe, expect, test } from 'vitest'
import {
  isLeaseLostError,
  Lock,
  type LockOptions,
  MemoryAdapter,
  Semaphore,
} from '../../src/index.ts'
import { fakeTime } from '../support/fake-time.ts'
import { type FaultyAdapter, fails, faultyAdapter, hangs } from '../support/faulty-adapter.ts'

const time = fakeTime()

function lockOn(provider: FaultyAdapter | MemoryAdapter, options: LockOptions = {}): Lock {
  return new Lock(undefined, { provider, key: 'orders:42', ttl: 3_000, ...options })
}

describe('a holder whose renewals fail', () => {
  test('loses the lock before the store gives it to anybody else', async () => {
    const provider = faultyAdapter()
    const guard = await lockOn(provider).acquire()
    provider.always('grants.renew', hangs)
    const next = lockOn(provider.store).acquire()
    let lostAt = 0
    guard.signal.addEventListener('abort', () => {
      lostAt = performance.now()
    })
    let nextAt = 0
    void next.then(() => {
      nextAt = performance.now()
    })
    await time.pass(4_000)
    expect(guard.held).toBe(false)
    expect((await next).held).toBe(true)
    expect(lostAt).toBeLessThan(nextAt)
  })

  test('is told by an event, once', async () => {
    const provider = faultyAdapter()
    const guard = await lockOn(provider).acquire()
    provider.always('grants.renew', fails(new Error('no connection')))
    await time.pass(60_000)
    expect(provider.events).toMatchObject([{ name: 'holdfast.lock.lost', key: 'orders:42' }])
    expect(provider.events[0]?.error).toBe(guard.signal.reason)
  })

  test('keeps the lock when they work again in time', async () => {
    const provider = faultyAdapter()
    const guard = await lockOn(provider).acquire()
    provider.always('grants.renew', fails(new Error('no connection')))
    await time.pass(2_000)
    provider.always('grants.renew', undefined)
    await time.pass(60_000)
    expect(guard.held).toBe(true)
    expect(await lockOn(provider.store).tryAcquire()).toBeUndefined()
    expect(provider.events).toEqual([])
  })
})

describe('a holder that the store has forgotten', () => {
  test('learns it at its next renewal', async () => {
    const provider = faultyAdapter()
    const guard = await lockOn(provider).acquire()
    const { holders } = await provider.grants.inspect('lock:orders:42')
    await provider.store.grants.release('lock:orders:42', holders[0]?.id ?? '')
    await time.pass(1_000)
    expect(guard.held).toBe(false)
    expect(guard.signal.reason).toSatisfy(isLeaseLostError)
    expect(() => guard.assertHeld()).toThrow('the store no longer knows it')
  })

  test('does not get the lock back by renewing', async () => {
    const provider = faultyAdapter()
    const guard = await lockOn(provider).acquire()
    const { holders } = await provider.grants.inspect('lock:orders:42')
    await provider.store.grants.release('lock:orders:42', holders[0]?.id ?? '')
    await time.pass(60_000)
    expect((await provider.grants.inspect('lock:orders:42')).holders).toEqual([])
    await expect(guard.extend(3_000)).rejects.toSatisfy(isLeaseLostError)
  })
})

describe('the release of a lost lock', () => {
  test('says why, and does not touch the next holder', async () => {
    const provider = faultyAdapter()
    const guard = await lockOn(provider).acquire()
    provider.always('grants.renew', hangs)
    const waiting = lockOn(provider.store).acquire()
    await time.pass(4_000)
    const next = await waiting
    expect(await guard.release()).toEqual({ released: false, reason: 'expired' })
    expect(next.held).toBe(true)
    expect(await lockOn(provider.store).tryAcquire()).toBeUndefined()
    expect(await next.release()).toEqual({ released: true })
  })

  test('frees the lock if the store had it still', async () => {
    const provider = faultyAdapter()
    const guard = await lockOn(provider, { maxHold: 500 }).acquire()
    await time.pass(600)
    expect(await lockOn(provider.store).tryAcquire()).toBeUndefined()
    expect(await guard.release()).toEqual({ released: false, reason: 'lost' })
    expect(await lockOn(provider.store).tryAcquire()).toBeDefined()
  })
})

describe('run', () => {
  test('tells its function by its signal, and its function’s answer still counts', async () => {
    const provider = faultyAdapter()
    provider.always('grants.renew', hangs)
    const running = lockOn(provider).run(
      ({ signal }) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => resolve('stopped in time'))
        }),
    )
    await time.pass(3_000)
    expect(await running).toBe('stopped in time')
  })
})

describe('maxHold', () => {
  test('takes the lock from a holder that hangs, though its process renews it', async () => {
    const provider = new MemoryAdapter()
    const guard = await lockOn(provider, { maxHold: 10_000 }).acquire()
    const waiting = lockOn(provider).acquire()
    await time.pass(9_999)
    expect(guard.held).toBe(true)
    await time.pass(3_002)
    expect(guard.held).toBe(false)
    expect((await waiting).held).toBe(true)
  })
})

describe('a holder that stops renewing', () => {
  test('holds until its time is over, and no longer', async () => {
    const provider = faultyAdapter()
    const guard = await lockOn(provider).acquire()
    guard.stopRenewal()
    await time.pass(2_900)
    expect(guard.held).toBe(true)
    await time.pass(100)
    expect(guard.held).toBe(false)
    expect(provider.count('grants.renew')).toBe(0)
  })
})

describe('an extension', () => {
  test('gives the lock more time', async () => {
    const provider = new MemoryAdapter()
    const guard = await lockOn(provider, { autoExtend: false }).acquire()
    await guard.extend(10_000)
    await time.pass(9_000)
    expect(guard.held).toBe(true)
    expect(await lockOn(provider).tryAcquire()).toBeUndefined()
  })

  test.each([Number.NaN, 0, -1, 1.5])('by %s is refused', async (ttl) => {
    const guard = await lockOn(new MemoryAdapter()).acquire()
    await expect(guard.extend(ttl)).rejects.toThrow('Expected `ttl` to be a positive integer')
    expect(guard.held).toBe(true)
  })
})

test('a lost permit is told by an event of its own', async () => {
  const provider = faultyAdapter()
  provider.always('grants.renew', hangs)
  const permit = await new Semaphore(1, { provider, key: 'reports', ttl: 3_000 }).acquire()
  await time.pass(3_000)
  expect(permit.held).toBe(false)
  expect(provider.events).toMatchObject([{ name: 'holdfast.semaphore.lost', key: 'reports' }])
})
