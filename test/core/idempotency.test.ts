// Idempotent calls: executed once for a key, and replayed to everybody who asks again.

import { describe, expect, test } from 'vitest'
import {
  Idempotency,
  type IdempotencyOptions,
  isAbortedError,
  isFingerprintMismatchError,
  isInProgressError,
  isLeaseLostError,
  isNotReplayableError,
  MemoryAdapter,
} from '../../src/index.ts'
import { deferred } from '../support/deferred.ts'
import { fakeTime } from '../support/fake-time.ts'
import { faultyAdapter, landsAfter } from '../support/faulty-adapter.ts'
import { outcomeOf } from '../support/outcome-of.ts'

const time = fakeTime()

/** Idempotent calls of two processes, and work that counts how often it ran. */
function payments(options: IdempotencyOptions = {}) {
  const provider = new MemoryAdapter()
  const make = () => new Idempotency({ provider, ...options })
  let runs = 0
  const charge = async () => ({ payment: `p${++runs}` })
  return { provider, first: make(), second: make(), charge, runs: () => runs }
}

describe('a call', () => {
  test('runs its function and answers its value', async () => {
    const { first, charge } = payments()
    expect(await first.run('order-1', charge)).toEqual({
      value: { payment: 'p1' },
      replayed: false,
      recovered: false,
    })
  })

  test('that was made before is answered with the value of then, in every process', async () => {
    const { first, second, charge, runs } = payments()
    await first.run('order-1', charge)
    for (const each of [first, second]) {
      expect(await each.run('order-1', charge)).toEqual({
        value: { payment: 'p1' },
        replayed: true,
        recovered: false,
      })
    }
    expect(runs()).toBe(1)
  })

  test('with another key is another call', async () => {
    const { first, charge, runs } = payments()
    await first.run('order-1', charge)
    await first.run('order-2', charge)
    expect(runs()).toBe(2)
  })

  test('is told of a fencing token that grows with every execution of the key', async () => {
    const { first } = payments()
    const tokens: number[] = []
    for (let i = 0; i < 3; i++) {
      await first.run('k', ({ fencingToken }) => void tokens.push(fencingToken), {
        keep: () => 'nothing',
      })
    }
    expect(tokens).toEqual([...new Set(tokens)].toSorted((a, b) => a - b))
    expect(tokens).toHaveLength(3)
  })
})

describe('a call while another one runs', () => {
  test('does not run, and is told when it may ask again', async () => {
    const { first, second, runs, charge } = payments({ lease: 30_000 })
    const gate = deferred()
    const running = first.run('order-1', async () => {
      await gate.promise
      return charge()
    })
    await time.pass(4_000)
    const refused = second.run('order-1', charge)
    await expect(refused).rejects.toSatisfy(isInProgressError)
    await expect(refused).rejects.toMatchObject({
      message: "'order-1' is being executed now",
      key: 'order-1',
      retryAfter: 26_000,
    })
    gate.resolve()
    await running
    expect(runs()).toBe(1)
    expect((await second.run('order-1', charge)).replayed).toBe(true)
  })

  test('of ten at once runs one', async () => {
    const { first, second, charge, runs } = payments()
    const calls = Array.from({ length: 10 }, (_, i) =>
      (i % 2 ? first : second).run('order-1', charge),
    )
    const settled = await Promise.allSettled(calls)
    expect(settled.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    for (const each of settled) {
      if (each.status === 'rejected') expect(each.reason).toSatisfy(isInProgressError)
    }
    expect(runs()).toBe(1)
  })

  test('is refused for as long as the other runs, however much longer than the lease', async () => {
    const { first, second, charge } = payments({ lease: 3_000 })
    const gate = deferred()
    const running = first.run('order-1', () => gate.promise)
    for (let minute = 0; minute < 10; minute++) {
      await time.pass(60_000)
      await expect(second.run('order-1', charge)).rejects.toSatisfy(isInProgressError)
    }
    gate.resolve()
    await running
  })
})

describe('a function that throws', () => {
  test('is not remembered: the next call runs again', async () => {
    const { first, second, charge, runs } = payments()
    const declined = new Error('card declined')
    await expect(
      first.run('order-1', () => {
        throw declined
      }),
    ).rejects.toBe(declined)
    expect(await second.run('order-1', charge)).toMatchObject({ replayed: false, recovered: false })
    expect(runs()).toBe(1)
  })
})

describe('an outcome', () => {
  test('is kept for its ttl, counted from when it was recorded', async () => {
    const { first, charge, runs } = payments({ ttl: 60_000 })
    await first.run('order-1', async () => {
      await time.pass(20_000)
      return charge()
    })
    await time.pass(59_999)
    expect((await first.run('order-1', charge)).replayed).toBe(true)
    await time.pass(1)
    expect((await first.run('order-1', charge)).replayed).toBe(false)
    expect(runs()).toBe(2)
  })

  test('is not kept longer because it was replayed', async () => {
    const { first, charge, runs } = payments({ ttl: 60_000 })
    await first.run('order-1', charge)
    for (let i = 0; i < 5; i++) {
      await time.pass(11_000)
      await first.run('order-1', charge)
    }
    await time.pass(5_000)
    await first.run('order-1', charge)
    expect(runs()).toBe(2)
  })

  test('may be kept for a time of its own', async () => {
    const { first, charge, runs } = payments()
    await first.run('order-1', charge, { ttl: 30_000 })
    await time.pass(30_000)
    await first.run('order-1', charge)
    expect(runs()).toBe(2)
  })

  test('is kept before the caller has it', async () => {
    const provider = faultyAdapter({ deadline: 10_000 })
    const gate = deferred()
    provider.always('records.commit', landsAfter(gate.promise))
    let answered = false
    const answer = new Idempotency({ provider })
      .run('order-1', () => 'paid')
      .finally(() => {
        answered = true
      })
    await time.pass(1_000)
    expect(answered).toBe(false)
    gate.resolve()
    await answer
    const second = new Idempotency({ provider: provider.store })
    expect((await second.run('order-1', () => 'paid again')).replayed).toBe(true)
  })

  test('of thousands of other calls pushes none out', async () => {
    const { first, charge, runs } = payments()
    await first.run('order-0', charge)
    for (let i = 1; i <= 2_000; i++) await first.run(`order-${i}`, () => i)
    expect((await first.run('order-0', charge)).replayed).toBe(true)
    expect(runs()).toBe(1)
  })
})

describe('a fingerprint', () => {
  test('that differs is refused, and learns nothing of the value', async () => {
    const { first, second, charge, runs } = payments()
    await first.run('order-1', charge, { fingerprint: 'amount=1' })
    const refused = second.run('order-1', charge, { fingerprint: 'amount=2' })
    await expect(refused).rejects.toSatisfy(isFingerprintMismatchError)
    await expect(refused).rejects.toThrow("'order-1' was used before with another payload")
    expect(runs()).toBe(1)
  })

  test('that differs is refused while the first call runs, too', async () => {
    const { first, second, charge } = payments()
    const gate = deferred()
    const running = first.run('order-1', () => gate.promise, { fingerprint: 'amount=1' })
    const refused = second.run('order-1', charge, { fingerprint: 'amount=2' })
    await expect(refused).rejects.toSatisfy(isFingerprintMismatchError)
    gate.resolve()
    await running
  })

  test('that is the same, or absent, is answered', async () => {
    const { first, charge } = payments()
    await first.run('order-1', charge, { fingerprint: 'amount=1' })
    expect((await first.run('order-1', charge, { fingerprint: 'amount=1' })).replayed).toBe(true)
    expect((await first.run('order-1', charge)).replayed).toBe(true)
  })
})

describe('what to keep', () => {
  test('nothing: the value is answered once, and the next call runs again', async () => {
    const { first, charge, runs } = payments()
    await first.run('order-1', charge, { keep: () => 'nothing' })
    expect((await first.run('order-1', charge)).value).toEqual({ payment: 'p2' })
    expect(runs()).toBe(2)
  })

  test('a tombstone: the value is answered once, and the next call neither runs nor replays', async () => {
    const { first, charge, runs } = payments()
    const { value } = await first.run('order-1', charge, { keep: () => 'tombstone' })
    expect(value).toEqual({ payment: 'p1' })
    const again = first.run('order-1', charge)
    await expect(again).rejects.toSatisfy(isNotReplayableError)
    await expect(again).rejects.toThrow("'order-1' was executed, but its value was not kept")
    expect(runs()).toBe(1)
  })

  test('a tombstone as well where deciding fails: the work was done', async () => {
    const { first, charge, runs } = payments()
    const failed = new Error('undecided')
    const keep = () => {
      throw failed
    }
    await expect(first.run('order-1', charge, { keep })).rejects.toBe(failed)
    await expect(first.run('order-1', charge)).rejects.toSatisfy(isNotReplayableError)
    expect(runs()).toBe(1)
  })

  test('is decided by the value', async () => {
    const { first, runs } = payments()
    const statuses = [500, 200, 200]
    const respond = async () => ({ status: statuses.shift() })
    const keep = ({ status = 0 }) => (status >= 500 ? 'nothing' : 'value')
    expect((await first.run('k', respond, { keep })).value).toEqual({ status: 500 })
    expect((await first.run('k', respond, { keep })).value).toEqual({ status: 200 })
    expect((await first.run('k', respond, { keep })).replayed).toBe(true)
    expect(runs()).toBe(0)
  })
})

describe('a signal', () => {
  test('that is aborted already lets nothing run', async () => {
    const { first, charge, runs } = payments()
    const aborted = first.run('order-1', charge, { signal: AbortSignal.abort() })
    await expect(aborted).rejects.toSatisfy(isAbortedError)
    expect(runs()).toBe(0)
    expect((await first.run('order-1', charge)).replayed).toBe(false)
  })

  test('that aborts while the claim is on its way lets nothing run, and gives the claim back', async () => {
    const { first, charge, runs } = payments()
    const controller = new AbortController()
    const aborted = first.run('order-1', charge, { signal: controller.signal })
    controller.abort()
    await expect(aborted).rejects.toSatisfy(isAbortedError)
    expect(runs()).toBe(0)
    expect(await first.run('order-1', charge)).toMatchObject({ replayed: false, recovered: false })
  })

  test('that aborts ends the call while a store that hangs is asked for the claim', async () => {
    const provider = faultyAdapter()
    const gate = deferred()
    provider.once('records.begin', landsAfter(gate.promise))
    const idempotency = new Idempotency({ provider })
    const controller = new AbortController()
    const aborted = idempotency.run('order-1', () => 'done', { signal: controller.signal })
    aborted.catch(() => {})
    await time.settle()
    controller.abort()
    await time.settle()
    expect(await outcomeOf(aborted)).toMatchObject({ state: 'rejected' })
    await expect(aborted).rejects.toSatisfy(isAbortedError)
    gate.resolve()
    await time.settle()
    const next = await idempotency.run('order-1', () => 'done')
    expect(next).toMatchObject({ replayed: false, recovered: false })
  })

  test('reaches the function, which decides what comes of it', async () => {
    const { first } = payments()
    const controller = new AbortController()
    const running = first.run(
      'order-1',
      ({ signal }) =>
        new Promise((resolve) => signal.addEventListener('abort', () => resolve(signal.reason))),
      { signal: controller.signal },
    )
    await time.settle()
    controller.abort('enough')
    expect((await running).value).toBe('enough')
  })
})

describe('an execution that lost its claim', () => {
  test('cannot record its outcome over that of whoever took it over', async () => {
    const { provider, first } = payments({ lease: 3_000 })
    const other = new Idempotency({ provider, takeover: true, lease: 3_000 })
    const gate = deferred()
    const slow = first.run('order-1', async ({ signal, stopRenewal }) => {
      stopRenewal()
      await gate.promise
      return { by: 'slow', aborted: signal.aborted }
    })
    slow.catch(() => {})
    await time.pass(3_000)
    const taken = await other.run('order-1', () => ({ by: 'other' }))
    expect(taken).toEqual({ value: { by: 'other' }, replayed: false, recovered: true })
    gate.resolve()
    await expect(slow).rejects.toSatisfy(isLeaseLostError)
    expect((await other.run('order-1', () => ({ by: 'nobody' }))).value).toEqual({ by: 'other' })
  })

  test('is told by its signal', async () => {
    const { first } = payments({ lease: 3_000 })
    const gate = deferred()
    const seen: boolean[] = []
    const running = first.run('order-1', async ({ signal, stopRenewal }) => {
      stopRenewal()
      seen.push(signal.aborted)
      await gate.promise
      seen.push(signal.aborted)
    })
    running.catch(() => {})
    await time.pass(3_000)
    gate.resolve()
    await running
    expect(seen).toEqual([false, true])
  })

  test('still records its outcome when nobody took it over', async () => {
    const { first, second, charge } = payments({ lease: 3_000 })
    const gate = deferred()
    const running = first.run('order-1', async ({ stopRenewal }) => {
      stopRenewal()
      await gate.promise
      return charge()
    })
    await time.pass(60_000)
    gate.resolve()
    expect((await running).value).toEqual({ payment: 'p1' })
    expect((await second.run('order-1', charge)).value).toEqual({ payment: 'p1' })
  })
})
