// A store that does not answer: every call ends by its deadline, and what it took after all is given back.

import { describe, expect, test } from 'vitest'
import {
  ClosedError,
  isStoreUnavailableError,
  Lock,
  Semaphore,
  StoreUnavailableError,
} from '../../src/index.ts'
import { deferred } from '../support/deferred.ts'
import { fakeTime } from '../support/fake-time.ts'
import {
  answersAfter,
  type Fault,
  type FaultyAdapter,
  fails,
  faultyAdapter,
  hangs,
  landsAfter,
  losesAnswer,
} from '../support/faulty-adapter.ts'
import { outcomeOf } from '../support/outcome-of.ts'

const time = fakeTime()

const resource = 'lock:orders:42'
const refused = new StoreUnavailableError('refused', { outcome: 'none' })

function lockOn(provider: FaultyAdapter | FaultyAdapter['store'], ttl = 30_000): Lock {
  return new Lock(undefined, { provider, key: 'orders:42', ttl })
}

describe('an acquire that hangs', () => {
  test('rejects by the deadline of the store, without a timeout of its own', async () => {
    const provider = faultyAdapter({ deadline: 500 })
    provider.always('grants.acquire', hangs)
    const acquired = lockOn(provider).acquire()
    acquired.catch(() => {})
    await time.pass(499)
    expect(await outcomeOf(acquired)).toEqual({ state: 'pending' })
    await time.pass(1)
    await expect(acquired).rejects.toSatisfy(isStoreUnavailableError)
    await expect(acquired).rejects.toMatchObject({
      outcome: 'unknown',
      key: 'orders:42',
      message: "The store did not answer within 500 ms about 'orders:42'",
    })
  })

  test('rejects within a third of the ttl, when that is sooner', async () => {
    const provider = faultyAdapter({ deadline: 2_000 })
    provider.always('grants.acquire', hangs)
    const acquired = lockOn(provider, 300).acquire()
    acquired.catch(() => {})
    await time.pass(100)
    await expect(acquired).rejects.toSatisfy(isStoreUnavailableError)
  })

  test('rejects within its timeout, when that is sooner', async () => {
    const provider = faultyAdapter({ deadline: 2_000 })
    provider.always('grants.acquire', hangs)
    const acquired = lockOn(provider).acquire({ timeout: 50 })
    acquired.catch(() => {})
    await time.pass(50)
    await expect(acquired).rejects.toMatchObject({
      code: 'ERR_HOLDFAST_STORE_UNAVAILABLE',
      outcome: 'unknown',
    })
  })

  test('is the same for a try, an inspect and a permit', async () => {
    const provider = faultyAdapter()
    provider.always('grants.acquire', hangs)
    provider.always('grants.inspect', hangs)
    const semaphore = new Semaphore(1, { provider, key: 'k' })
    const calls = [
      lockOn(provider).tryAcquire(),
      lockOn(provider).inspect(),
      semaphore.acquire(),
      semaphore.tryAcquire(),
      semaphore.inspect(),
    ]
    for (const call of calls) call.catch(() => {})
    await time.pass(500)
    for (const call of calls) await expect(call).rejects.toSatisfy(isStoreUnavailableError)
  })
})

describe('a grant that comes too late', () => {
  test('is given back as soon as it lands', async () => {
    const provider = faultyAdapter()
    const gate = deferred()
    provider.once('grants.acquire', landsAfter(gate.promise))
    const acquired = lockOn(provider).acquire()
    acquired.catch(() => {})
    await time.pass(500)
    await expect(acquired).rejects.toSatisfy(isStoreUnavailableError)
    expect(provider.count('grants.release')).toBe(0)
    gate.resolve()
    await time.settle()
    expect(provider.count('grants.release')).toBe(1)
    expect(await lockOn(provider.store).tryAcquire()).toBeDefined()
  })

  test('is not given back before it lands, because two connections may reorder the two', async () => {
    const provider = faultyAdapter()
    const gate = deferred()
    provider.once('grants.acquire', landsAfter(gate.promise))
    lockOn(provider)
      .acquire({ timeout: 100 })
      .catch(() => {})
    await time.pass(10_000)
    expect(provider.count('grants.release')).toBe(0)
    gate.resolve()
    await time.settle()
    expect((await provider.grants.inspect(resource)).holders).toEqual([])
  })

  test('is given back again and again while the release fails', async () => {
    const provider = faultyAdapter()
    provider.once('grants.acquire', losesAnswer())
    provider.once('grants.release', fails(new Error('no connection')))
    provider.once('grants.release', hangs)
    await expect(lockOn(provider).acquire()).rejects.toSatisfy(isStoreUnavailableError)
    await time.pass(2_000)
    expect((await provider.grants.inspect(resource)).holders).toEqual([])
    await time.pass(60_000)
    // The third was answered; one more is for what may have been under way still.
    expect(provider.count('grants.release')).toBe(4)
  })

  test('is given back once more when the request came only after it was given back', async () => {
    const provider = faultyAdapter()
    const gate = deferred()
    provider.once('grants.acquire', (carryOut) => {
      void gate.promise.then(carryOut)
      return Promise.reject(new Error('The connection broke'))
    })
    await expect(lockOn(provider).acquire()).rejects.toSatisfy(isStoreUnavailableError)
    await time.pass(500)
    gate.resolve()
    await time.settle()
    expect((await provider.grants.inspect(resource)).holders).toHaveLength(1)
    await time.pass(1_000)
    expect((await provider.grants.inspect(resource)).holders).toEqual([])
  })

  test('is given back once more also to a waiter that had to ask a second time', async () => {
    const provider = faultyAdapter()
    const holder = await lockOn(provider.store).acquire()
    const waiting = lockOn(provider).acquire()
    waiting.catch(() => {})
    await time.settle()
    const { waiters } = await provider.store.grants.inspect(resource)
    const gate = deferred()
    provider.once('grants.acquire', (carryOut) => {
      void gate.promise.then(carryOut)
      return Promise.reject(new Error('The connection broke'))
    })
    await provider.store.grants.release(resource, waiters[0]?.id ?? '')
    await time.pass(1_000)
    await expect(waiting).rejects.toSatisfy(isStoreUnavailableError)
    await holder.release()
    await time.pass(500)
    gate.resolve()
    await time.settle()
    expect((await provider.store.grants.inspect(resource)).holders).toHaveLength(1)
    await time.pass(1_000)
    expect((await provider.store.grants.inspect(resource)).holders).toEqual([])
  })

  test('is told by an event when it could not be given back until it lapsed by itself', async () => {
    const provider = faultyAdapter()
    provider.once('grants.acquire', losesAnswer())
    provider.always('grants.release', fails(new Error('no connection')))
    await expect(lockOn(provider, 10_000).acquire()).rejects.toSatisfy(isStoreUnavailableError)
    await time.pass(10_001)
    const tried = provider.count('grants.release')
    expect(provider.events).toMatchObject([{ name: 'holdfast.release.failed', key: 'orders:42' }])
    await time.pass(60_000)
    expect(provider.count('grants.release')).toBe(tried)
  })

  test('is not handed out when it comes after its validity', async () => {
    const provider = faultyAdapter({ deadline: 10_000 })
    const gate = deferred()
    provider.once('grants.acquire', answersAfter(gate.promise))
    const acquired = lockOn(provider, 300).acquire()
    acquired.catch(() => {})
    await time.pass(299)
    gate.resolve()
    await expect(acquired).rejects.toSatisfy(isStoreUnavailableError)
    await time.settle()
    expect(provider.count('grants.release')).toBe(1)
  })
})

describe('a waiter with a timeout whose turn comes in an outage', () => {
  const turn = { timeout: 30_000 }

  /** A waiter, one behind it, and a holder that can let them in. */
  async function queued() {
    const provider = faultyAdapter()
    const holder = await lockOn(provider.store).acquire()
    const waiting = lockOn(provider).acquire(turn)
    waiting.catch(() => {})
    await time.settle()
    const { waiters } = await provider.store.grants.inspect(resource)
    const next = lockOn(provider.store).acquire()
    await time.settle()
    const forget = () => provider.store.grants.release(resource, waiters[0]?.id ?? '')
    return { provider, holder, waiting, next, forget }
  }

  test.each<[string, Fault]>([
    ['is refused', fails(refused)],
    ['hangs', hangs],
    ['takes effect and is not answered', losesAnswer()],
  ])('claims again when a claim %s, and nobody comes before it', async (_what, fault) => {
    const { provider, holder, waiting, next } = await queued()
    provider.once('grants.renew', fault)
    await holder.release()
    await time.pass(750)
    const guard = await waiting
    expect(await outcomeOf(next)).toEqual({ state: 'pending' })
    await guard.release()
    expect((await next).held).toBe(true)
  })

  test('asks again at its place when it has lost its turn meanwhile', async () => {
    const { provider, holder, waiting, next } = await queued()
    provider.always('grants.renew', fails(refused))
    await holder.release()
    const other = await Promise.race([next, time.pass(6_000).then(() => next)])
    const last = lockOn(provider.store).acquire()
    await time.settle()
    provider.always('grants.renew', undefined)
    await time.pass(1_000)
    expect(await outcomeOf(waiting)).toEqual({ state: 'pending' })
    await other.release()
    const guard = await waiting
    expect(await outcomeOf(last)).toEqual({ state: 'pending' })
    await guard.release()
    expect((await last).held).toBe(true)
  })

  test('asks anew when asking again fails, and what was on its way is given back', async () => {
    const { provider, holder, waiting, next, forget } = await queued()
    const gate = deferred()
    provider.once('grants.acquire', (carryOut) => {
      void gate.promise.then(carryOut)
      return Promise.reject(new Error('The connection broke'))
    })
    await forget()
    await time.pass(2_000)
    expect(await outcomeOf(waiting)).toEqual({ state: 'pending' })
    await holder.release()
    const guard = await waiting
    expect(await outcomeOf(next)).toEqual({ state: 'pending' })
    await guard.release()
    await (await next).release()
    expect(await provider.store.grants.inspect(resource)).toEqual({ holders: [], waiters: [] })
  })

  test('leaves nothing behind of what asks again and arrives late', async () => {
    const { provider, holder, waiting, next, forget } = await queued()
    const gate = deferred()
    provider.once('grants.acquire', (carryOut) => {
      void gate.promise.then(carryOut)
      return Promise.reject(new Error('The connection broke'))
    })
    await forget()
    await holder.release()
    const other = await next
    await time.pass(1_250)
    await other.release()
    await (await waiting).release()
    gate.resolve()
    await time.settle()
    expect((await provider.store.grants.inspect(resource)).holders).toHaveLength(1)
    await time.pass(1_000)
    expect((await provider.store.grants.inspect(resource)).holders).toEqual([])
  })

  test('is told at the end of its timeout, and leaves the queue', async () => {
    const { provider, holder, waiting, next } = await queued()
    provider.always('grants.renew', fails(new Error('no connection')))
    await holder.release()
    await time.pass(29_000)
    expect(await outcomeOf(waiting)).toEqual({ state: 'pending' })
    await time.pass(1_000)
    await expect(waiting).rejects.toSatisfy(isStoreUnavailableError)
    await (await next).release()
    await time.pass(2_000)
    expect(await provider.store.grants.inspect(resource)).toEqual({ holders: [], waiters: [] })
  })

  test('is told at once when the client is closed', async () => {
    const { provider, holder, waiting } = await queued()
    const closed = new ClosedError('The adapter was disconnected')
    provider.once('grants.renew', fails(closed))
    await holder.release()
    await expect(waiting).rejects.toBe(closed)
  })
})

describe('a refusal without effect', () => {
  test('is passed on as it is, and there is nothing to give back', async () => {
    const provider = faultyAdapter()
    provider.once('grants.acquire', fails(refused))
    await expect(lockOn(provider).acquire()).rejects.toBe(refused)
    await time.pass(1_000)
    expect(provider.count('grants.release')).toBe(0)
  })

  test('of a claim still takes the waiter out of the queue', async () => {
    const provider = faultyAdapter()
    const holder = await lockOn(provider.store).acquire()
    const other = lockOn(provider).acquire()
    await time.settle()
    const waiting = lockOn(provider).acquire()
    waiting.catch(() => {})
    await time.settle()
    await holder.release()
    const first = await other
    provider.once('grants.renew', fails(refused))
    await first.release()
    await expect(waiting).rejects.toBe(refused)
    await time.settle()
    expect(await provider.grants.inspect(resource)).toEqual({ holders: [], waiters: [] })
  })
})

describe('a failure that a client throws', () => {
  test('is wrapped with its cause, and its outcome counts as unknown', async () => {
    const provider = faultyAdapter()
    const cause = new Error('ECONNRESET')
    provider.once('grants.acquire', losesAnswer(cause))
    await expect(lockOn(provider).acquire()).rejects.toMatchObject({
      code: 'ERR_HOLDFAST_STORE_UNAVAILABLE',
      outcome: 'unknown',
      cause,
      key: 'orders:42',
    })
    await time.settle()
    expect((await provider.grants.inspect(resource)).holders).toEqual([])
  })

  test('may be thrown synchronously', async () => {
    const provider = faultyAdapter()
    provider.once('grants.acquire', () => {
      throw new Error('Stream isn’t writeable')
    })
    await expect(lockOn(provider).acquire()).rejects.toSatisfy(isStoreUnavailableError)
  })
})
