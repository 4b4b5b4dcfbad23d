// Callers that wait for the execution of another: they ask again with growing pauses, and get what it ends with.

import { describe, expect, test } from 'vitest'
import {
  Idempotency,
  type IdempotencyOptions,
  isAbortedError,
  isFingerprintMismatchError,
  isInProgressError,
  isOutcomeUnknownError,
  isStoreUnavailableError,
  scope,
} from '../../src/index.ts'
import { deferred } from '../support/deferred.ts'
import { fakeTime } from '../support/fake-time.ts'
import { fails, faultyAdapter } from '../support/faulty-adapter.ts'

const time = fakeTime()

/** Somebody who executes `order-1` until the gate opens, and somebody else who asks for it. */
async function occupied(options: IdempotencyOptions = {}) {
  const gate = deferred<string>()
  const provider = faultyAdapter()
  const running = new Idempotency({ provider, ...options }).run('order-1', () => gate.promise)
  running.catch(() => {})
  await time.settle()
  const other = new Idempotency({ provider, ...options })
  return { provider, gate, running, other, work: () => 'ran again' }
}

describe('a caller that waits', () => {
  test('gets the value that the other ends with, as a replay', async () => {
    const { gate, running, other, work } = await occupied()
    const waiting = other.run('order-1', work, { wait: 60_000 })
    await time.pass(20_000)
    gate.resolve('done')
    await running
    await time.pass(1_000)
    expect(await waiting).toMatchObject({ value: 'done', replayed: true })
  })

  test('asks soon at first, then once a second at least and never much more often', async () => {
    const { provider, gate, running, other, work } = await occupied()
    const asked = () => provider.count('records.begin') - 1
    const waiting = other.run('order-1', work, { wait: 60_000 })
    await time.pass(100)
    expect(asked()).toBeGreaterThanOrEqual(2)
    await time.pass(1_900)
    const early = asked()
    expect(early).toBeLessThanOrEqual(10)
    await time.pass(20_000)
    expect(asked() - early).toBeGreaterThanOrEqual(19)
    expect(asked() - early).toBeLessThanOrEqual(41)
    gate.resolve('done')
    await Promise.all([running, time.pass(1_000), waiting])
  })

  test('is refused when its time is over, after a last look', async () => {
    const { provider, gate, running, other, work } = await occupied()
    const waiting = other.run('order-1', work, { wait: 10_000 })
    const refused = expect(waiting).rejects.toSatisfy(isInProgressError)
    await time.pass(9_999)
    const asked = provider.count('records.begin')
    await time.pass(1)
    expect(provider.count('records.begin')).toBe(asked + 1)
    await refused
    gate.resolve('done')
    await running
  })

  test('runs itself when the other leaves nothing', async () => {
    const { gate, running, other, work } = await occupied()
    const waiting = other.run('order-1', work, { wait: 60_000 })
    gate.reject(new Error('card declined'))
    await expect(running).rejects.toThrow('card declined')
    await time.pass(1_000)
    expect(await waiting).toMatchObject({ value: 'ran again', replayed: false })
  })

  test('is told that the outcome is unknown when the other is lost, or settles it', async () => {
    const { provider, other, work } = await occupied({ lease: 3_000 })
    const settles = new Idempotency({
      provider,
      lease: 3_000,
      recover: async () => ({ value: 'found' }),
    })
    provider.always('records.renew', fails(new Error('gone')))
    const refused = expect(other.run('order-1', work, { wait: 60_000 })).rejects.toSatisfy(
      isOutcomeUnknownError,
    )
    await time.pass(4_000)
    await refused
    provider.always('records.renew', undefined)
    expect(await settles.run('order-1', work, { wait: 60_000 })).toMatchObject({
      value: 'found',
      recovered: true,
    })
  })

  test('waits for as long as its signal lets it, when told so', async () => {
    const { provider, gate, running, other, work } = await occupied()
    const controller = new AbortController()
    const { signal } = controller
    const waiting = other.run('order-1', work, { wait: Number.POSITIVE_INFINITY, signal })
    const aborted = expect(waiting).rejects.toSatisfy(isAbortedError)
    await time.pass(3_600_000)
    controller.abort(new Error('the client has left'))
    await aborted
    const asked = provider.count('records.begin')
    await time.pass(10_000)
    expect(provider.count('records.begin')).toBe(asked)
    gate.resolve('done')
    await running
    expect(provider.count('records.drop')).toBe(0)
  })

  test('does not wait for another payload, nor for what is done', async () => {
    const { gate, running, other, work } = await occupied()
    const done = new Idempotency({ provider: faultyAdapter() })
    await done.run('order-2', work)
    expect((await done.run('order-2', work, { wait: 60_000 })).replayed).toBe(true)
    gate.resolve('done')
    await running
    const mismatch = new Idempotency({ provider: faultyAdapter() })
    const end = deferred()
    const first = mismatch.run('order-3', () => end.promise, { fingerprint: 'a' })
    await time.settle()
    await expect(
      mismatch.run('order-3', work, { fingerprint: 'b', wait: 60_000 }),
    ).rejects.toSatisfy(isFingerprintMismatchError)
    end.resolve()
    await first
    expect((await other.run('order-1', work)).value).toBe('done')
  })

  test('is told when the store fails while it waits', async () => {
    const { provider, other, work } = await occupied()
    const refused = expect(other.run('order-1', work, { wait: 60_000 })).rejects.toSatisfy(
      isStoreUnavailableError,
    )
    await time.settle()
    provider.always('records.begin', fails(new Error('gone')))
    await time.pass(1_000)
    await refused
  })

  test('is one of a hundred at most in a process; the next is refused at once', async () => {
    const { gate, running, other, work } = await occupied()
    const waiting = Array.from({ length: 100 }, () => other.run('order-1', work, { wait: 60_000 }))
    await time.settle()
    await expect(other.run('order-1', work, { wait: 60_000 })).rejects.toSatisfy(isInProgressError)
    gate.resolve('done')
    await running
    await time.pass(1_000)
    const values = (await Promise.all(waiting)).map(({ value }) => value)
    expect(new Set(values)).toEqual(new Set(['done']))
    // Nobody waits any more: there is room again.
    const again = deferred<string>()
    const second = other.run('order-2', () => again.promise)
    await time.settle()
    const waits = other.run('order-2', work, { wait: 60_000 })
    await time.settle()
    again.resolve('done')
    await Promise.all([second, time.pass(1_000), waits])
  })

  test('takes no place when its signal aborts before it waits', async () => {
    const { gate, running, other, work } = await occupied()
    for (let caller = 0; caller < 100; caller++) {
      const controller = new AbortController()
      const { signal } = controller
      const aborted = other.run('order-1', work, { wait: 60_000, signal })
      controller.abort()
      await expect(aborted).rejects.toSatisfy(isAbortedError)
    }
    const waiting = other.run('order-1', work, { wait: 60_000 })
    gate.resolve('done')
    await running
    await time.pass(1_000)
    expect((await waiting).value).toBe('done')
  })
})

test('a task waits as well', async () => {
  const { provider, gate, running, work } = await occupied()
  await using s = scope({ provider })
  const task = s.task(work, { idempotency: { key: 'order-1', wait: 60_000 } })
  await time.pass(2_000)
  gate.resolve('done')
  await running
  await time.pass(1_000)
  expect(await task).toEqual([undefined, 'done'])
})
