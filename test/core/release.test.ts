// Releasing: once, by whoever holds, and never in the way of the work's own result.

import { describe, expect, test } from 'vitest'
import { isStoreUnavailableError, Lock, Semaphore } from '../../src/index.ts'
import { fakeTime } from '../support/fake-time.ts'
import {
  type FaultyAdapter,
  fails,
  faultyAdapter,
  hangs,
  losesAnswer,
} from '../support/faulty-adapter.ts'

const time = fakeTime()

function lockOn(provider: FaultyAdapter | FaultyAdapter['store']): Lock {
  return new Lock(undefined, { provider, key: 'orders:42' })
}

describe('a release', () => {
  test('says that the lock was held until now', async () => {
    const guard = await lockOn(faultyAdapter()).acquire()
    expect(await guard.release()).toEqual({ released: true })
  })

  test('a second time changes nothing and makes no call', async () => {
    const provider = faultyAdapter()
    const guard = await lockOn(provider).acquire()
    await guard.release()
    await lockOn(provider.store).acquire()
    expect(await guard.release()).toEqual({ released: false, reason: 'already-released' })
    await guard[Symbol.asyncDispose]()
    expect(provider.count('grants.release')).toBe(1)
    expect(await lockOn(provider.store).tryAcquire()).toBeUndefined()
  })

  test('several times at once is one round trip', async () => {
    const provider = faultyAdapter()
    const guard = await lockOn(provider).acquire()
    const released = await Promise.all([guard.release(), guard.release(), guard.release()])
    expect(released).toEqual([{ released: true }, { released: true }, { released: true }])
    expect(provider.count('grants.release')).toBe(1)
  })

  test('ends the belief before the store is asked', async () => {
    const provider = faultyAdapter()
    const guard = await lockOn(provider).acquire()
    const released = guard.release()
    expect(guard.held).toBe(false)
    expect(() => guard.assertHeld()).toThrow('was released already')
    await released
  })

  test('ends the renewals', async () => {
    const provider = faultyAdapter()
    const guard = await lockOn(provider).acquire()
    await guard.release()
    await time.pass(600_000)
    expect(provider.count('grants.renew')).toBe(0)
  })

  test('does not abort the signal: nothing was lost', async () => {
    const guard = await lockOn(faultyAdapter()).acquire()
    const { signal } = guard
    await guard.release()
    await time.pass(600_000)
    expect(signal.aborted).toBe(false)
  })

  test('of a lock that the store had forgotten says that it was lost', async () => {
    const provider = faultyAdapter()
    const guard = await lockOn(provider).acquire()
    const { holders } = await provider.grants.inspect('lock:orders:42')
    await provider.store.grants.release('lock:orders:42', holders[0]?.id ?? '')
    expect(await guard.release()).toEqual({ released: false, reason: 'lost' })
  })
})

describe('a release that fails', () => {
  test('rejects, and is tried again in the background until it works', async () => {
    const provider = faultyAdapter()
    const guard = await lockOn(provider).acquire()
    provider.once('grants.release', fails(new Error('no connection')))
    provider.once('grants.release', fails(new Error('no connection')))
    await expect(guard.release()).rejects.toSatisfy(isStoreUnavailableError)
    expect(await lockOn(provider.store).tryAcquire()).toBeUndefined()
    await time.pass(1_000)
    expect(await lockOn(provider.store).tryAcquire()).toBeDefined()
  })

  test('by its deadline rejects, and is tried again when the store answers', async () => {
    const provider = faultyAdapter()
    const guard = await lockOn(provider).acquire()
    provider.once('grants.release', hangs)
    const released = guard.release()
    released.catch(() => {})
    await time.pass(500)
    await expect(released).rejects.toMatchObject({ outcome: 'unknown' })
    expect(guard.held).toBe(false)
  })

  test('may be asked for again by its holder', async () => {
    const provider = faultyAdapter()
    const guard = await lockOn(provider).acquire()
    provider.once('grants.release', fails(new Error('no connection')))
    provider.once('grants.release', fails(new Error('no connection')))
    await expect(guard.release()).rejects.toSatisfy(isStoreUnavailableError)
    expect(await guard.release()).toEqual({ released: true })
  })

  test('and was made good in the background is not taken for a loss', async () => {
    const provider = faultyAdapter()
    const guard = await lockOn(provider).acquire()
    provider.once('grants.release', fails(new Error('no connection')))
    await expect(guard.release()).rejects.toSatisfy(isStoreUnavailableError)
    await time.pass(1_000)
    expect(await guard.release()).toEqual({ released: false, reason: 'already-released' })
  })

  test('after it took effect does not take the lock from the next holder', async () => {
    const provider = faultyAdapter()
    const guard = await lockOn(provider).acquire()
    provider.once('grants.release', losesAnswer())
    await expect(guard.release()).rejects.toSatisfy(isStoreUnavailableError)
    const next = await lockOn(provider.store).acquire()
    await time.pass(5_000)
    expect(next.held).toBe(true)
    expect(await lockOn(provider.store).tryAcquire()).toBeUndefined()
  })

  test('is an event and no exception where a block ends', async () => {
    const provider = faultyAdapter()
    {
      await using guard = await lockOn(provider).acquire()
      provider.once('grants.release', fails(new Error('no connection')))
      expect(guard.held).toBe(true)
    }
    expect(provider.events).toMatchObject([{ name: 'holdfast.release.failed', key: 'orders:42' }])
  })

  test('never hides what the work of a run answered or threw', async () => {
    const provider = faultyAdapter()
    provider.once('grants.release', fails(new Error('no connection')))
    expect(await lockOn(provider).run(() => 'the result')).toBe('the result')
    await time.pass(1_000)
    const failure = new Error('from the work')
    provider.once('grants.release', fails(new Error('no connection')))
    await expect(
      new Semaphore(1, { provider, key: 'k' }).run(() => {
        throw failure
      }),
    ).rejects.toBe(failure)
  })
})
