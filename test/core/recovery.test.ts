// Executions that were lost: nothing runs twice unless somebody says that it may.

import { describe, expect, test } from 'vitest'
import {
  Idempotency,
  type IdempotencyOptions,
  isFingerprintMismatchError,
  isInProgressError,
  isInvalidArgumentError,
  isOutcomeUnknownError,
  type LostCall,
  MemoryAdapter,
} from '../../src/index.ts'
import { deferred } from '../support/deferred.ts'
import { fakeTime } from '../support/fake-time.ts'

const time = fakeTime()

const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`

/** A store in which the process that executed `order-1` has died. */
async function crashed(): Promise<MemoryAdapter> {
  const provider = new MemoryAdapter()
  await provider.records.begin({
    record: 'idempotency:order-1',
    id: 'dead',
    lease: 30_000,
    ttl: 86_400_000,
    fingerprint: 'amount=1',
    takeover: 'never',
    meta: { traceparent },
  })
  await time.pass(30_001)
  return provider
}

function payments(provider: MemoryAdapter, options: IdempotencyOptions = {}) {
  let runs = 0
  const charge = async () => ({ payment: `p${++runs}` })
  return { idempotency: new Idempotency({ provider, ...options }), charge, runs: () => runs }
}

describe('by default', () => {
  test('a lost execution is unknown to every caller, and nothing runs', async () => {
    const { idempotency, charge, runs } = payments(await crashed())
    for (let i = 0; i < 3; i++) {
      const unknown = idempotency.run('order-1', charge, { fingerprint: 'amount=1' })
      await expect(unknown).rejects.toSatisfy(isOutcomeUnknownError)
      await expect(unknown).rejects.toThrow(/^An execution of 'order-1' began at \d{4}-\d\d-\d\dT/)
      await time.pass(60_000)
    }
    expect(runs()).toBe(0)
  })

  test('another payload is refused before anything is said', async () => {
    const { idempotency, charge } = payments(await crashed())
    await expect(idempotency.run('order-1', charge, { fingerprint: 'amount=2' })).rejects.toSatisfy(
      isFingerprintMismatchError,
    )
  })

  test('it stays unknown until its time is over', async () => {
    const { idempotency, charge } = payments(await crashed())
    await time.pass(86_400_000)
    expect((await idempotency.run('order-1', charge)).replayed).toBe(false)
  })
})

describe('with takeover', () => {
  test('the next caller runs the work again and is told so', async () => {
    const { idempotency, charge } = payments(await crashed(), { takeover: true })
    let told: boolean | undefined
    const run = await idempotency.run('order-1', ({ recovered }) => {
      told = recovered
      return charge()
    })
    expect(run).toEqual({ value: { payment: 'p1' }, replayed: false, recovered: true })
    expect(told).toBe(true)
    expect((await idempotency.run('order-1', charge)).replayed).toBe(true)
  })

  test('one of several callers runs it', async () => {
    const { idempotency, charge, runs } = payments(await crashed(), { takeover: true })
    const calls = await Promise.allSettled([1, 2, 3].map(() => idempotency.run('order-1', charge)))
    expect(calls.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect(runs()).toBe(1)
  })

  test('a first execution is not called recovered', async () => {
    const { idempotency, charge } = payments(new MemoryAdapter(), { takeover: true })
    expect((await idempotency.run('order-1', charge)).recovered).toBe(false)
  })
})

describe('recover', () => {
  test('is told what is known of the lost execution', async () => {
    const seen: [string, LostCall][] = []
    const began = Date.now()
    const { idempotency, charge } = payments(await crashed(), {
      recover: (key, lost) => {
        seen.push([key, lost])
        return { value: { payment: 'found' } }
      },
    })
    await idempotency.run('order-1', charge)
    const [key, lost] = seen[0] ?? []
    expect(key).toBe('order-1')
    expect(lost).toMatchObject({ fingerprint: 'amount=1', traceparent })
    expect(Math.abs((lost?.startedAt.getTime() ?? 0) - began)).toBeLessThan(1_000)
    expect(lost?.signal.aborted).toBe(false)
  })

  test('that finds the value settles it for everybody, and nothing runs', async () => {
    let asked = 0
    const { idempotency, charge, runs } = payments(await crashed(), {
      recover: async () => {
        asked++
        return { value: { payment: 'found' } }
      },
    })
    expect(await idempotency.run('order-1', charge)).toEqual({
      value: { payment: 'found' },
      replayed: true,
      recovered: true,
      traceparent,
    })
    expect(await idempotency.run('order-1', charge)).toMatchObject({
      value: { payment: 'found' },
      replayed: true,
      recovered: false,
    })
    expect([asked, runs()]).toEqual([1, 0])
  })

  test('may find that the value is undefined', async () => {
    const { idempotency, charge, runs } = payments(await crashed(), {
      recover: () => ({ value: undefined }),
    })
    expect((await idempotency.run('order-1', charge)).value).toBeUndefined()
    expect(runs()).toBe(0)
  })

  test('that says so lets the work run again', async () => {
    const { idempotency, charge } = payments(await crashed(), {
      recover: () => ({ retry: true }),
    })
    expect(await idempotency.run('order-1', charge)).toEqual({
      value: { payment: 'p1' },
      replayed: false,
      recovered: true,
    })
  })

  test('that finds nothing leaves it unknown, and is asked again by the next caller', async () => {
    let asked = 0
    const { idempotency, charge, runs } = payments(await crashed(), {
      recover: () => {
        asked++
        return undefined
      },
    })
    await expect(idempotency.run('order-1', charge)).rejects.toSatisfy(isOutcomeUnknownError)
    await expect(idempotency.run('order-1', charge)).rejects.toSatisfy(isOutcomeUnknownError)
    expect([asked, runs()]).toEqual([2, 0])
  })

  test('that throws leaves it unknown, and the caller gets its error', async () => {
    const failure = new Error('the provider is down')
    let fails = true
    const { idempotency, charge, runs } = payments(await crashed(), {
      recover: () => {
        if (fails) throw failure
        return { value: 'found' }
      },
    })
    await expect(idempotency.run('order-1', charge)).rejects.toBe(failure)
    fails = false
    expect((await idempotency.run('order-1', charge)).value).toBe('found')
    expect(runs()).toBe(0)
  })

  test.each([
    ['null', null],
    ['a word', 'retry'],
    ['an empty object', {}],
    ['a retry that is false', { retry: false }],
  ])(
    'that answers %s has said nothing: it stays unknown and nothing runs',
    async (_name, answer) => {
      const provider = await crashed()
      const { idempotency, charge, runs } = payments(provider, { recover: () => answer as never })
      await expect(idempotency.run('order-1', charge)).rejects.toSatisfy(isInvalidArgumentError)
      expect(runs()).toBe(0)
      await expect(payments(provider).idempotency.run('order-1', charge)).rejects.toSatisfy(
        isOutcomeUnknownError,
      )
    },
  )

  test('runs once at a time, though many ask', async () => {
    const gate = deferred<{ value: string }>()
    let asked = 0
    const { idempotency, charge } = payments(await crashed(), {
      recover: () => {
        asked++
        return gate.promise
      },
    })
    const first = idempotency.run('order-1', charge)
    await time.settle()
    await expect(idempotency.run('order-1', charge)).rejects.toSatisfy(isInProgressError)
    await time.pass(300_000)
    await expect(idempotency.run('order-1', charge)).rejects.toSatisfy(isInProgressError)
    gate.resolve({ value: 'found' })
    expect((await first).value).toBe('found')
    expect(asked).toBe(1)
  })

  test('is not asked about a first execution, nor about one that runs', async () => {
    let asked = 0
    const { idempotency, charge } = payments(new MemoryAdapter(), {
      recover: () => {
        asked++
        return { retry: true }
      },
    })
    const gate = deferred()
    const running = idempotency.run('order-1', () => gate.promise)
    await time.settle()
    await expect(idempotency.run('order-1', charge)).rejects.toSatisfy(isInProgressError)
    gate.resolve()
    await running
    await idempotency.run('order-1', charge)
    expect(asked).toBe(0)
  })
})

describe('resolve', () => {
  test('with a value settles it for everybody', async () => {
    const { idempotency, charge, runs } = payments(await crashed())
    await idempotency.resolve('order-1', { value: { payment: 'by hand' } })
    expect(await idempotency.run('order-1', charge)).toMatchObject({
      value: { payment: 'by hand' },
      replayed: true,
    })
    expect(runs()).toBe(0)
  })

  test('with retry lets the next caller run', async () => {
    const { idempotency, charge, runs } = payments(await crashed())
    await idempotency.resolve('order-1', { retry: true })
    expect((await idempotency.run('order-1', charge)).replayed).toBe(false)
    expect(runs()).toBe(1)
  })

  test('does not touch what is executed now', async () => {
    const { idempotency, charge } = payments(new MemoryAdapter())
    const gate = deferred()
    const running = idempotency.run('order-1', async () => {
      await gate.promise
      return charge()
    })
    await time.settle()
    await expect(idempotency.resolve('order-1', { retry: true })).rejects.toSatisfy(
      isInProgressError,
    )
    gate.resolve()
    expect((await running).value).toEqual({ payment: 'p1' })
  })

  test('changes nothing of what has an outcome', async () => {
    const { idempotency, charge } = payments(new MemoryAdapter())
    await idempotency.run('order-1', charge)
    await idempotency.resolve('order-1', { value: 'another' })
    await idempotency.resolve('order-1', { retry: true })
    expect((await idempotency.run('order-1', charge)).value).toEqual({ payment: 'p1' })
  })

  test.each([null, undefined, 'retry', {}, { retry: false }])('refuses %j', async (resolution) => {
    const provider = await crashed()
    const { idempotency, charge } = payments(provider)
    await expect(idempotency.resolve('order-1', resolution as never)).rejects.toSatisfy(
      isInvalidArgumentError,
    )
    await expect(idempotency.run('order-1', charge)).rejects.toSatisfy(isOutcomeUnknownError)
  })
})
