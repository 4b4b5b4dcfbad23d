// Messages that do not come: correctness never depends on one, the beat finds what they would have told.

import { describe, expect, test } from 'vitest'
import { pause } from '../../src/core/clock.ts'
import type { SignalListener } from '../../src/core/ports.ts'
import { ClosedError, isStoreUnavailableError, Lock } from '../../src/index.ts'
import { fakeTime } from '../support/fake-time.ts'
import {
  type FaultyAdapter,
  fails,
  faultyAdapter,
  hangs,
  landsAfter,
} from '../support/faulty-adapter.ts'
import { outcomeOf } from '../support/outcome-of.ts'

const time = fakeTime()

const resource = 'lock:orders:42'

function lockOn(provider: FaultyAdapter | FaultyAdapter['store'], ttl = 30_000): Lock {
  return new Lock(undefined, { provider, key: 'orders:42', ttl })
}

/** Lets no message through, while the channel looks alive. */
function deaf(provider: FaultyAdapter): void {
  const { listen } = provider.signals
  Object.assign(provider.signals, {
    listen: (channel: string, { restored }: SignalListener) =>
      listen(channel, { message: () => {}, restored }),
  })
}

describe('a waiter', () => {
  test('whose message was lost is found by the next beat', async () => {
    const provider = faultyAdapter()
    deaf(provider)
    const holder = await lockOn(provider.store).acquire()
    const waiting = lockOn(provider).acquire()
    await time.pass(500)
    await holder.release()
    await time.settle()
    expect(await outcomeOf(waiting)).toEqual({ state: 'pending' })
    await time.pass(1_000)
    expect((await waiting).held).toBe(true)
  })

  test('of a process that cannot listen gets its turn by the beat', async () => {
    const provider = faultyAdapter()
    provider.always('signals.listen', fails(new Error('NOPERM')))
    const holder = await lockOn(provider.store).acquire()
    const waiting = lockOn(provider).acquire()
    await time.pass(500)
    await holder.release()
    await time.pass(1_000)
    expect((await waiting).held).toBe(true)
  })

  test('of a process whose listening hangs waits all the same', async () => {
    const provider = faultyAdapter()
    provider.always('signals.listen', hangs)
    const holder = await lockOn(provider.store).acquire()
    const waiting = lockOn(provider).acquire()
    await time.pass(2_000)
    expect((await provider.grants.inspect(resource)).waiters).toHaveLength(1)
    await holder.release()
    await time.pass(1_000)
    expect((await waiting).held).toBe(true)
  })

  test('of a process whose listening hangs is still ended by its timeout', async () => {
    const provider = faultyAdapter()
    provider.always('signals.listen', hangs)
    await lockOn(provider.store).acquire()
    const waiting = lockOn(provider).acquire({ timeout: 300 })
    waiting.catch(() => {})
    await time.pass(300)
    await expect(waiting).rejects.toThrow('within 300 ms')
  })

  test('that the store has forgotten asks again, and gets its place back', async () => {
    const provider = faultyAdapter()
    const holder = await lockOn(provider.store).acquire()
    const order: string[] = []
    const wait = async (name: string) => {
      const guard = await lockOn(provider).acquire()
      order.push(name)
      await guard.release()
    }
    const first = wait('first')
    await time.settle()
    const { waiters } = await provider.grants.inspect(resource)
    const second = wait('second')
    await time.settle()
    await provider.store.grants.release(resource, waiters[0]?.id ?? '')
    await time.pass(1_000)
    await holder.release()
    await Promise.all([first, second])
    expect(order).toEqual(['first', 'second'])
  })

  test('behind a holder that died asks when the holder lapses, not a second later', async () => {
    const provider = faultyAdapter()
    const dying = new Lock(undefined, {
      provider: provider.store,
      key: 'orders:42',
      ttl: 1_300,
      autoExtend: false,
    })
    await dying.acquire()
    const waiting = lockOn(provider).acquire()
    await time.pass(1_299)
    expect(await outcomeOf(waiting)).toEqual({ state: 'pending' })
    await time.pass(2)
    expect((await waiting).held).toBe(true)
  })

  test('that does not come when it is called loses its turn, and asks again', async () => {
    const provider = faultyAdapter({ deadline: 2_000 })
    const holder = await lockOn(provider.store).acquire()
    const waiting = lockOn(provider).acquire()
    await time.settle()
    provider.once('grants.renew', landsAfter(pause(1_100)))
    const next = lockOn(provider.store).acquire()
    await time.settle()
    await holder.release()
    await time.pass(1_500)
    const taken = await next
    expect(await outcomeOf(waiting)).toEqual({ state: 'pending' })
    await taken.release()
    await time.pass(1_500)
    const guard = await waiting
    expect(guard.fencingToken).toBeGreaterThan(taken.fencingToken)
    expect(await lockOn(provider.store).tryAcquire()).toBeUndefined()
  })

  test('that the store has forgotten holds at once when the lock is free by then', async () => {
    const provider = faultyAdapter()
    const holder = await lockOn(provider.store).acquire()
    const waiting = lockOn(provider).acquire()
    await time.settle()
    const { waiters } = await provider.grants.inspect(resource)
    await provider.store.grants.release(resource, waiters[0]?.id ?? '')
    await holder.release()
    await time.pass(1_000)
    expect((await waiting).held).toBe(true)
  })

  test('that is called claims in one round trip', async () => {
    const provider = faultyAdapter()
    const holder = await lockOn(provider.store).acquire()
    const waiting = lockOn(provider).acquire()
    await time.settle()
    const before = provider.calls.length
    await holder.release()
    await waiting
    expect(provider.calls.slice(before)).toEqual(['grants.renew'])
  })

  test('of a process that cannot listen keeps its place before those that can', async () => {
    const provider = faultyAdapter()
    provider.always('signals.listen', fails(new Error('NOPERM')))
    const holder = await lockOn(provider.store).acquire()
    const first = lockOn(provider).acquire()
    await time.settle()
    const second = lockOn(provider.store).acquire()
    await time.settle()
    await holder.release()
    await time.pass(1_100)
    expect(await outcomeOf(second)).toEqual({ state: 'pending' })
    await (await first).release()
    expect((await second).held).toBe(true)
  })
})

describe('the beat', () => {
  test('is one a second for each key, however many wait', async () => {
    const provider = faultyAdapter()
    await lockOn(provider.store).acquire()
    for (let i = 0; i < 100; i++) void lockOn(provider).acquire()
    await time.settle()
    const before = provider.count('grants.beat')
    await time.pass(10_000)
    expect(provider.count('grants.beat') - before).toBe(10)
  })

  test('ends with the last waiter', async () => {
    const provider = faultyAdapter()
    const holder = await lockOn(provider.store).acquire()
    const waiting = lockOn(provider).acquire()
    await time.pass(3_000)
    await holder.release()
    await (await waiting).release()
    const beats = provider.count('grants.beat')
    await time.pass(60_000)
    expect(provider.count('grants.beat')).toBe(beats)
  })

  test('that fails is tried again, and waiters are told when it fails for long', async () => {
    const provider = faultyAdapter()
    await lockOn(provider.store).acquire()
    const waiting = lockOn(provider).acquire()
    waiting.catch(() => {})
    await time.settle()
    provider.always('grants.beat', fails(new Error('no connection')))
    await time.pass(2_000)
    expect(await outcomeOf(waiting)).toEqual({ state: 'pending' })
    await time.pass(4_000)
    await expect(waiting).rejects.toSatisfy(isStoreUnavailableError)
  })

  test('that fails for long leaves those at their places who wait with a timeout', async () => {
    const provider = faultyAdapter()
    const holder = await lockOn(provider.store).acquire()
    const order: string[] = []
    const wait = async (name: string) => {
      const guard = await lockOn(provider).acquire({ timeout: 30_000 })
      order.push(name)
      await guard.release()
    }
    const first = wait('first')
    await time.settle()
    const second = wait('second')
    await time.settle()
    const calls = ['grants.beat', 'grants.acquire', 'grants.renew'] as const
    for (const call of calls) provider.always(call, fails(new Error('no connection')))
    await time.pass(6_000)
    // By then the store has forgotten both, and somebody else has come.
    const late = lockOn(provider.store).acquire()
    await time.settle()
    for (const call of calls) provider.always(call, undefined)
    await time.pass(1_000)
    await holder.release()
    await Promise.all([first, second])
    expect(order).toEqual(['first', 'second'])
    expect((await late).held).toBe(true)
  })

  test('that fails until the end of a timeout makes it say that the store did not answer', async () => {
    const provider = faultyAdapter()
    await lockOn(provider.store).acquire()
    const waiting = lockOn(provider).acquire({ timeout: 8_000 })
    waiting.catch(() => {})
    await time.settle()
    const cause = new Error('no connection')
    provider.always('grants.beat', fails(cause))
    await time.pass(7_999)
    expect(await outcomeOf(waiting)).toEqual({ state: 'pending' })
    await time.pass(1)
    await expect(waiting).rejects.toMatchObject({
      code: 'ERR_HOLDFAST_STORE_UNAVAILABLE',
      cause: { cause },
    })
  })

  test('that a closed client refuses ends every wait at once, with a timeout or without', async () => {
    const provider = faultyAdapter()
    await lockOn(provider.store).acquire()
    const waiting = [lockOn(provider).acquire({ timeout: 30_000 }), lockOn(provider).acquire()]
    for (const each of waiting) each.catch(() => {})
    await time.settle()
    const closed = new ClosedError('The adapter was disconnected')
    provider.always('grants.beat', fails(closed))
    await time.pass(1_000)
    for (const each of waiting) await expect(each).rejects.toBe(closed)
  })

  test('that works again in time has changed nothing', async () => {
    const provider = faultyAdapter()
    const holder = await lockOn(provider.store).acquire()
    const waiting = lockOn(provider).acquire()
    await time.settle()
    provider.always('grants.beat', fails(new Error('no connection')))
    await time.pass(2_500)
    provider.always('grants.beat', undefined)
    await time.pass(1_000)
    await holder.release()
    expect((await waiting).held).toBe(true)
  })

  test('that failed before and works again starts anew', async () => {
    const provider = faultyAdapter()
    await lockOn(provider.store).acquire()
    const waiting = lockOn(provider).acquire()
    for (let outage = 0; outage < 3; outage++) {
      provider.always('grants.beat', fails(new Error('no connection')))
      await time.pass(3_000)
      provider.always('grants.beat', undefined)
      await time.pass(3_000)
    }
    expect(await outcomeOf(waiting)).toEqual({ state: 'pending' })
  })

  test('that hangs makes a timeout say that the store did not answer', async () => {
    const provider = faultyAdapter()
    await lockOn(provider.store).acquire()
    const waiting = lockOn(provider).acquire({ timeout: 2_000 })
    waiting.catch(() => {})
    await time.settle()
    provider.always('grants.beat', hangs)
    await time.pass(2_000)
    await expect(waiting).rejects.toSatisfy(isStoreUnavailableError)
  })
})

describe('a channel', () => {
  test('is doubted when a message was missed, and not before', async () => {
    const provider = faultyAdapter()
    let doubts = 0
    let deafened = false
    const { listen } = provider.signals
    Object.assign(provider.signals, {
      listen: async (channel: string, listener: SignalListener) => {
        const message = (text: string) => (deafened ? undefined : listener.message(text))
        const listening = await listen(channel, { ...listener, message })
        return Object.assign(listening, { suspect: () => doubts++ })
      },
    })
    const wait = async () => {
      const holder = await lockOn(provider.store).acquire()
      const waiting = lockOn(provider).acquire()
      await time.pass(1_500)
      await holder.release()
      await time.pass(1_500)
      await (await waiting).release()
    }
    await wait()
    expect(doubts).toBe(0)
    deafened = true
    await wait()
    expect(doubts).toBe(1)
  })
})

describe('a channel that was restored', () => {
  test('makes every key ask at once what was missed', async () => {
    const provider = faultyAdapter()
    const listeners: SignalListener[] = []
    const { listen } = provider.signals
    Object.assign(provider.signals, {
      listen: (channel: string, listener: SignalListener) => {
        listeners.push(listener)
        return listen(channel, { ...listener, message: () => {} })
      },
    })
    const holder = await lockOn(provider.store).acquire()
    const waiting = lockOn(provider).acquire()
    await time.pass(100)
    await holder.release()
    listeners[0]?.restored()
    await time.pass(30)
    expect((await waiting).held).toBe(true)
  })
})
