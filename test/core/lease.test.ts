// The lease: what a client may believe of what it holds, by the monotonic clock.

import { describe, expect, test, vi } from 'vitest'
import { Lease, type LeaseTerms, validUntil } from '../../src/core/lease.ts'
import { isLeaseLostError, type LeaseLostError } from '../../src/index.ts'
import { deferred } from '../support/deferred.ts'
import { fakeTime } from '../support/fake-time.ts'

const time = fakeTime()

function lease(terms: Partial<LeaseTerms> = {}) {
  const losses: LeaseLostError[] = []
  const renewals: number[] = []
  const held = new Lease({
    subject: "lock 'orders:42'",
    key: 'orders:42',
    ttl: 30_000,
    sentAt: performance.now(),
    autoExtend: true,
    lost: (error) => losses.push(error),
    ...terms,
    renew: (ttl) => {
      renewals.push(ttl)
      return terms.renew?.(ttl) ?? Promise.resolve(true)
    },
  })
  return { lease: held, losses, renewals }
}

describe('a lease that is not renewed', () => {
  test('is believed for its ttl less a margin, counted from before it was asked for', async () => {
    const { lease: held } = lease({ autoExtend: false, sentAt: performance.now() - 10_000 })
    expect(validUntil(0, 30_000)).toBe(29_700)
    expect(held.remaining()).toBe(19_700)
    await time.pass(19_699)
    expect(held.held).toBe(true)
    await time.pass(1)
    expect(held.held).toBe(false)
    expect(held.remaining()).toBe(0)
  })

  test('has a margin of 5 ms at least', () => {
    expect(validUntil(0, 100)).toBe(95)
  })

  test('aborts its signal and says why when its time is over, without being asked', async () => {
    const { lease: held, losses } = lease({ autoExtend: false, ttl: 1_000 })
    const { signal } = held
    await time.pass(990)
    expect(signal.aborted).toBe(true)
    expect(signal.reason).toSatisfy(isLeaseLostError)
    expect(signal.reason).toMatchObject({
      message: "The lock 'orders:42' is no longer held: it could not be renewed in time",
      key: 'orders:42',
    })
    expect(losses).toEqual([signal.reason])
    expect(held.lossReason).toBe('expired')
  })

  test('that was over before anybody asked for its signal has it aborted', async () => {
    const { lease: held } = lease({ autoExtend: false, ttl: 1_000 })
    await time.pass(2_000)
    expect(held.signal.aborted).toBe(true)
  })

  test('is not renewed', async () => {
    const { renewals } = lease({ autoExtend: false })
    await time.pass(60_000)
    expect(renewals).toEqual([])
  })
})

describe('a lease with a pace of its own', () => {
  const pace = { believeFor: 10_000, renewEvery: 2_000 }

  test('is renewed at that pace, and believed for so long after the last renewal was sent', async () => {
    let works = true
    const { lease: held, renewals } = lease({
      pace,
      renew: () => (works ? Promise.resolve(true) : new Promise(() => {})),
    })
    const { signal } = held
    await time.pass(60_000)
    expect(renewals).toHaveLength(30)
    expect(held.remaining()).toBe(10_000)
    works = false
    await time.pass(9_999)
    expect(signal.aborted).toBe(false)
    await time.pass(1)
    expect(signal.aborted).toBe(true)
  })

  test('is never believed for longer than its ttl allows', () => {
    const { lease: held } = lease({ pace, ttl: 10_001 })
    expect(held.remaining()).toBe(9_900)
  })

  test('of which the answer came late counts from when it was sent', async () => {
    const answer = deferred<boolean>()
    const answers = [answer.promise]
    const { lease: held } = lease({ pace, renew: () => answers.shift() ?? new Promise(() => {}) })
    await time.pass(9_000)
    answer.resolve(true)
    await time.settle()
    // Sent at 2 s.
    expect(held.remaining()).toBe(3_000)
  })
})

describe('a lease that is renewed', () => {
  test('asks at a third of its ttl, and is held for as long as that works', async () => {
    const { lease: held, renewals, losses } = lease()
    await time.pass(9_999)
    expect(renewals).toEqual([])
    await time.pass(1)
    expect(renewals).toEqual([30_000])
    await time.pass(600_000)
    expect(renewals).toHaveLength(61)
    expect(held.held).toBe(true)
    expect(losses).toEqual([])
  })

  test('counts a renewal from before it was sent, however late the answer', async () => {
    const answer = deferred<boolean>()
    const { lease: held } = lease({ renew: () => answer.promise })
    await time.pass(10_000)
    await time.pass(5_000)
    answer.resolve(true)
    await time.settle()
    // Sent at 10 s: until 40 s, less the margin and the tenth by which it steps down early.
    expect(held.remaining()).toBe(40_000 - 300 - 3_000 - 15_000)
  })

  test('steps down a tenth of its ttl early, so that the loss is heard of in time', async () => {
    const { lease: held } = lease({ renew: () => new Promise(() => {}) })
    const { signal } = held
    await time.pass(26_699)
    expect(signal.aborted).toBe(false)
    await time.pass(1)
    expect(signal.aborted).toBe(true)
  })

  test('tries again soon when the store could not be asked, and goes on when that works', async () => {
    let failures = 3
    const sent: number[] = []
    const { lease: held, renewals } = lease({
      renew: async () => {
        sent.push(performance.now())
        if (failures-- > 0) throw new Error('no connection')
        return true
      },
    })
    await time.pass(10_000)
    expect(renewals).toHaveLength(1)
    await time.pass(700)
    expect(renewals).toHaveLength(4)
    const pauses = sent.slice(1).map((at, i) => at - (sent[i] ?? 0))
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(50)
    expect(Math.max(...pauses)).toBeLessThanOrEqual(201)
    await time.pass(100_000)
    expect(held.held).toBe(true)
  })

  test('tries until its time is over, and is lost then', async () => {
    const {
      lease: held,
      renewals,
      losses,
    } = lease({
      ttl: 3_000,
      renew: async () => {
        throw new Error('no connection')
      },
    })
    await time.pass(3_000)
    expect(renewals.length).toBeGreaterThan(5)
    expect(losses).toHaveLength(1)
    const tried = renewals.length
    await time.pass(60_000)
    expect(renewals).toHaveLength(tried)
    expect(held.held).toBe(false)
  })

  test('is lost at once when the store does not know it any more', async () => {
    const { lease: held, losses } = lease({ renew: async () => false })
    const { signal } = held
    await time.pass(10_000)
    expect(signal.aborted).toBe(true)
    expect(losses[0]?.message).toBe(
      "The lock 'orders:42' is no longer held: the store no longer knows it",
    )
    expect(held.lossReason).toBe('lost')
  })

  test('never comes back once it is lost, though a late renewal should succeed', async () => {
    const answer = deferred<boolean>()
    const { lease: held, losses } = lease({ renew: () => answer.promise })
    await time.pass(29_000)
    expect(held.held).toBe(false)
    answer.resolve(true)
    await time.pass(1)
    expect(held.held).toBe(false)
    expect(() => held.assertHeld()).toThrow('no longer held')
    await time.pass(60_000)
    expect(losses).toHaveLength(1)
  })

  test('has at most one renewal on its way', async () => {
    const { renewals } = lease({ renew: () => new Promise(() => {}) })
    await time.pass(26_000)
    expect(renewals).toHaveLength(1)
  })

  test('is renewed three times in ninety days when its ttl is ninety days', async () => {
    const ninetyDays = 90 * 86_400_000
    const { lease: held, renewals } = lease({ ttl: ninetyDays })
    await time.pass(ninetyDays)
    expect(renewals).toHaveLength(3)
    expect(held.held).toBe(true)
  })

  test('may stop being renewed, and then ends when its time is over', async () => {
    const { lease: held, renewals } = lease()
    await time.pass(10_000)
    held.stopRenewal()
    expect(held.remaining()).toBe(29_700)
    await time.pass(29_699)
    expect(held.held).toBe(true)
    await time.pass(1)
    expect(held.held).toBe(false)
    expect(renewals).toHaveLength(1)
  })
})

describe('the longest hold', () => {
  test('ends a lease that could be renewed for ever', async () => {
    const { lease: held, losses } = lease({ maxHold: 45_000 })
    await time.pass(44_999)
    expect(held.held).toBe(true)
    await time.pass(1)
    expect(held.held).toBe(false)
    expect(held.lossReason).toBe('max-hold')
    expect(losses[0]?.message).toContain('it was held for longer than `maxHold`')
  })

  test('bounds what remains', () => {
    expect(lease({ maxHold: 5_000 }).lease.remaining()).toBe(5_000)
  })
})

describe('an extension', () => {
  test('makes the lease last from now, and from every later renewal', async () => {
    const { lease: held, renewals } = lease()
    await time.pass(5_000)
    await held.extend(90_000)
    expect(held.remaining()).toBe(90_000 - 900 - 9_000)
    await time.pass(30_000)
    expect(renewals).toEqual([90_000, 90_000])
  })

  test('of a lease that the store does not know loses it', async () => {
    const { lease: held, losses } = lease({ renew: async () => false })
    await expect(held.extend(60_000)).rejects.toSatisfy(isLeaseLostError)
    expect(held.held).toBe(false)
    expect(losses).toHaveLength(1)
  })

  test('that fails leaves the lease as it was', async () => {
    const failure = new Error('no connection')
    const { lease: held } = lease({
      autoExtend: false,
      renew: async () => {
        throw failure
      },
    })
    await time.pass(5_000)
    await expect(held.extend(90_000)).rejects.toBe(failure)
    expect(held.remaining()).toBe(24_700)
  })

  test('to less that fails may have shortened the lease, and is believed to have', async () => {
    const { lease: held } = lease({
      autoExtend: false,
      renew: async () => {
        throw new Error('no answer')
      },
    })
    await expect(held.extend(2_000)).rejects.toThrow('no answer')
    expect(held.remaining()).toBe(1_980)
  })

  test('to less that fails is renewed by the shorter ttl', async () => {
    let fails = true
    const { lease: held, renewals } = lease({
      renew: async () => {
        if (fails) throw new Error('no answer')
        return true
      },
    })
    await expect(held.extend(3_000)).rejects.toThrow('no answer')
    fails = false
    await time.pass(1_000)
    expect(renewals).toEqual([3_000, 3_000])
    await time.pass(60_000)
    expect(held.held).toBe(true)
  })

  test('behind a renewal that finds the lease lost is not sent', async () => {
    const answer = deferred<boolean>()
    const { lease: held, renewals } = lease({ renew: () => answer.promise })
    await time.pass(10_000)
    const extended = held.extend(90_000)
    extended.catch(() => {})
    answer.resolve(false)
    await expect(extended).rejects.toSatisfy(isLeaseLostError)
    expect(renewals).toEqual([30_000])
  })

  test('to less is never believed for longer than the lease was', async () => {
    const answer = deferred<boolean>()
    const { lease: held } = lease({ autoExtend: false, renew: () => answer.promise })
    await time.pass(29_000)
    const extended = held.extend(2_000)
    expect(held.remaining()).toBe(700)
    answer.resolve(true)
    await extended
    expect(held.remaining()).toBe(1_980)
  })

  test('waits for a renewal on its way, because a store may carry them out in the other order', async () => {
    const answers = [deferred<boolean>(), deferred<boolean>()]
    let sent = 0
    const { lease: held, renewals } = lease({
      renew: () => answers[sent++]?.promise as Promise<boolean>,
    })
    await time.pass(10_000)
    const extended = held.extend(90_000)
    await time.settle()
    expect(renewals).toEqual([30_000])
    answers[0]?.resolve(true)
    await time.settle()
    expect(renewals).toEqual([30_000, 90_000])
    answers[1]?.resolve(true)
    await extended
    expect(held.remaining()).toBe(90_000 - 900 - 9_000)
  })

  test('and another one at the same time are sent one after the other', async () => {
    const answers = [deferred<boolean>(), deferred<boolean>()]
    let sent = 0
    const { lease: held, renewals } = lease({
      renew: () => answers[sent++]?.promise as Promise<boolean>,
    })
    const longer = held.extend(90_000)
    const shorter = held.extend(60_000)
    await time.settle()
    expect(renewals).toEqual([90_000])
    answers[0]?.resolve(true)
    await longer
    await time.settle()
    expect(renewals).toEqual([90_000, 60_000])
    answers[1]?.resolve(true)
    await shorter
    expect(held.remaining()).toBe(60_000 - 600 - 6_000)
  })
})

describe('the end of a lease', () => {
  test('ends the belief at once, and does not abort the signal', async () => {
    const { lease: held, losses, renewals } = lease()
    const { signal } = held
    held.end()
    expect(held.held).toBe(false)
    expect(() => held.assertHeld()).toThrow("The lock 'orders:42' was released already")
    await time.pass(60_000)
    expect(signal.aborted).toBe(false)
    expect([losses, renewals]).toEqual([[], []])
  })

  test('is not undone by a renewal on its way', async () => {
    const answer = deferred<boolean>()
    const { lease: held, renewals } = lease({ renew: () => answer.promise })
    await time.pass(10_000)
    held.end()
    answer.resolve(true)
    await time.pass(60_000)
    expect(held.held).toBe(false)
    expect(renewals).toHaveLength(1)
  })

  test('with a reason aborts the signal with it', () => {
    const { lease: held, losses } = lease()
    const { signal } = held
    const reason = new Error('the scope has ended')
    held.close(reason)
    expect(signal.reason).toBe(reason)
    expect(held.held).toBe(false)
    expect(losses).toEqual([])
  })
})

test.each<[string, (held: Lease) => void]>([
  ['was given up', (held) => held.end()],
  ['was closed', (held) => held.close('over')],
  ['was lost', () => {}],
])('a lease that %s leaves no timer behind', async (_how, end) => {
  const { lease: held } = lease({ renew: async () => false })
  end(held)
  await time.pass(10_000)
  expect(held.held).toBe(false)
  expect(vi.getTimerCount()).toBe(0)
})

test('a lease that nobody waits for does not keep the process alive', () => {
  const handles = process.getActiveResourcesInfo().filter((each) => each === 'Timeout').length
  lease()
  expect(process.getActiveResourcesInfo().filter((each) => each === 'Timeout')).toHaveLength(
    handles,
  )
})
