// Idempotent calls over a store that does not answer: an outcome that is not known is never taken for one that is.

import { describe, expect, test } from 'vitest'
import {
  Idempotency,
  type IdempotencyOptions,
  isInProgressError,
  isLeaseLostError,
  isOutcomeUnknownError,
  isStoreUnavailableError,
  StoreUnavailableError,
} from '../../src/index.ts'
import { deferred } from '../support/deferred.ts'
import { fakeTime } from '../support/fake-time.ts'
import {
  answersAfter,
  type FaultyAdapter,
  fails,
  faultyAdapter,
  hangs,
  landsAfter,
  losesAnswer,
} from '../support/faulty-adapter.ts'

const time = fakeTime()

function payments(provider: FaultyAdapter, options: IdempotencyOptions = {}) {
  let runs = 0
  const charge = async () => ({ payment: `p${++runs}` })
  return { idempotency: new Idempotency({ provider, ...options }), charge, runs: () => runs }
}

/** Leaves `order-1` behind as a process does that died while it executed it. */
async function crash(provider: FaultyAdapter): Promise<void> {
  await provider.store.records.begin({
    ...{ record: 'idempotency:order-1', id: 'dead', lease: 30_000, ttl: 86_400_000 },
    ...{ takeover: 'never', meta: {} },
  })
  await provider.store.records.renew('idempotency:order-1', 'dead', 0)
}

describe('a begin', () => {
  test('that hangs rejects by the deadline, and nothing runs', async () => {
    const provider = faultyAdapter()
    const { idempotency, charge, runs } = payments(provider)
    provider.once('records.begin', hangs)
    const call = idempotency.run('order-1', charge)
    call.catch(() => {})
    await time.pass(500)
    await expect(call).rejects.toSatisfy(isStoreUnavailableError)
    expect(runs()).toBe(0)
  })

  test('that fails does not fall through to the work', async () => {
    const provider = faultyAdapter()
    const { idempotency, charge, runs } = payments(provider)
    provider.once('records.begin', fails(new Error('ECONNREFUSED')))
    await expect(idempotency.run('order-1', charge)).rejects.toSatisfy(isStoreUnavailableError)
    expect(runs()).toBe(0)
  })

  test('that lands after all is given back, so that the next caller runs', async () => {
    const provider = faultyAdapter()
    const { idempotency, charge, runs } = payments(provider)
    const gate = deferred()
    provider.once('records.begin', landsAfter(gate.promise))
    const call = idempotency.run('order-1', charge)
    call.catch(() => {})
    await time.pass(500)
    await expect(call).rejects.toSatisfy(isStoreUnavailableError)
    gate.resolve()
    await time.settle()
    expect((await idempotency.run('order-1', charge)).recovered).toBe(false)
    expect(runs()).toBe(1)
  })

  test('whose answer was lost is given back', async () => {
    const provider = faultyAdapter()
    const { idempotency, charge } = payments(provider)
    provider.once('records.begin', losesAnswer())
    await expect(idempotency.run('order-1', charge)).rejects.toSatisfy(isStoreUnavailableError)
    await time.settle()
    expect((await idempotency.run('order-1', charge)).replayed).toBe(false)
  })

  test('that had certainly no effect gives nothing back', async () => {
    const provider = faultyAdapter()
    const { idempotency, charge } = payments(provider)
    const refused = new StoreUnavailableError('OOM', { outcome: 'none' })
    provider.once('records.begin', fails(refused))
    await expect(idempotency.run('order-1', charge)).rejects.toBe(refused)
    await time.pass(10_000)
    expect(provider.count('records.drop')).toBe(0)
  })
})

describe('a takeover that comes too late', () => {
  test('of a recovery leaves the lost execution as unknown as it was', async () => {
    const provider = faultyAdapter()
    await crash(provider)
    const { idempotency, charge, runs } = payments(provider, {
      recover: () => ({ value: 'found' }),
    })
    const gate = deferred()
    provider.once('records.begin', (carryOut) => carryOut())
    provider.once('records.begin', answersAfter(gate.promise))
    const late = idempotency.run('order-1', charge)
    late.catch(() => {})
    await time.pass(500)
    await expect(late).rejects.toSatisfy(isStoreUnavailableError)
    gate.resolve()
    await time.settle()
    await expect(payments(provider).idempotency.run('order-1', charge)).rejects.toSatisfy(
      isOutcomeUnknownError,
    )
    expect(runs()).toBe(0)
  })

  test('of a recovery whose answer was lost leaves it unknown, too', async () => {
    const provider = faultyAdapter()
    await crash(provider)
    const { idempotency, charge, runs } = payments(provider, {
      recover: () => ({ value: 'found' }),
    })
    provider.once('records.begin', (carryOut) => carryOut())
    provider.once('records.begin', losesAnswer())
    await expect(idempotency.run('order-1', charge)).rejects.toSatisfy(isStoreUnavailableError)
    await time.settle()
    await expect(payments(provider).idempotency.run('order-1', charge)).rejects.toSatisfy(
      isOutcomeUnknownError,
    )
    expect((await idempotency.run('order-1', charge)).value).toBe('found')
    expect(runs()).toBe(0)
  })

  test('of a rerun does not make the next caller take itself for the first', async () => {
    const provider = faultyAdapter()
    await crash(provider)
    const { idempotency, charge } = payments(provider, { takeover: true })
    provider.once('records.begin', losesAnswer())
    await expect(idempotency.run('order-1', charge)).rejects.toSatisfy(isStoreUnavailableError)
    await time.settle()
    expect((await idempotency.run('order-1', charge)).recovered).toBe(true)
  })

  test('of resolve() changes nothing', async () => {
    const provider = faultyAdapter()
    await crash(provider)
    const { idempotency, charge } = payments(provider)
    provider.once('records.begin', losesAnswer())
    await expect(idempotency.resolve('order-1', { retry: true })).rejects.toSatisfy(
      isStoreUnavailableError,
    )
    await time.settle()
    await expect(idempotency.run('order-1', charge)).rejects.toSatisfy(isOutcomeUnknownError)
  })
})

describe('a commit', () => {
  test('that fails is told to the caller, whose work was done, as unknown', async () => {
    const provider = faultyAdapter()
    const { idempotency, charge, runs } = payments(provider)
    provider.always('records.commit', fails(new Error('no connection')))
    await expect(idempotency.run('order-1', charge)).rejects.toMatchObject({
      code: 'ERR_HOLDFAST_STORE_UNAVAILABLE',
      outcome: 'unknown',
    })
    expect(runs()).toBe(1)
  })

  test('that fails is tried again in the background, and then replayed', async () => {
    const provider = faultyAdapter()
    const { idempotency, charge, runs } = payments(provider)
    provider.once('records.commit', fails(new Error('no connection')))
    provider.once('records.commit', hangs)
    await expect(idempotency.run('order-1', charge)).rejects.toSatisfy(isStoreUnavailableError)
    await expect(idempotency.run('order-1', charge)).rejects.toSatisfy(isInProgressError)
    await time.pass(2_000)
    expect((await idempotency.run('order-1', charge)).value).toEqual({ payment: 'p1' })
    expect(runs()).toBe(1)
  })

  test('that fails for as long as the claim lasts leaves the outcome unknown, and never runs again', async () => {
    const provider = faultyAdapter()
    const { idempotency, charge, runs } = payments(provider, { lease: 5_000 })
    provider.always('records.commit', fails(new Error('no connection')))
    await expect(idempotency.run('order-1', charge)).rejects.toSatisfy(isStoreUnavailableError)
    await time.pass(10_000)
    const tried = provider.count('records.commit')
    await time.pass(60_000)
    expect(provider.count('records.commit')).toBe(tried)
    expect(provider.events[0]).toMatchObject({
      name: 'holdfast.idempotency.commit_failed',
      key: 'order-1',
    })
    await expect(idempotency.run('order-1', charge)).rejects.toSatisfy(isOutcomeUnknownError)
    expect(runs()).toBe(1)
  })

  test('whose answer was lost is not told as lost work when it is sent again', async () => {
    const provider = faultyAdapter()
    const { idempotency, charge } = payments(provider)
    provider.once('records.commit', losesAnswer())
    await expect(idempotency.run('order-1', charge)).rejects.toSatisfy(isStoreUnavailableError)
    await time.pass(1_000)
    expect((await idempotency.run('order-1', charge)).value).toEqual({ payment: 'p1' })
    expect(provider.events).toEqual([])
  })
})

describe('a drop after the work has thrown', () => {
  test('that fails is an event, and the caller gets the error of the work', async () => {
    const provider = faultyAdapter()
    const { idempotency } = payments(provider)
    const failure = new Error('card declined')
    provider.once('records.drop', fails(new Error('no connection')))
    await expect(
      idempotency.run('order-1', () => {
        throw failure
      }),
    ).rejects.toBe(failure)
    expect(provider.events).toMatchObject([{ name: 'holdfast.release.failed', key: 'order-1' }])
  })

  test('that fails is tried again, so that a retry is not told that the outcome is unknown', async () => {
    const provider = faultyAdapter()
    const { idempotency, charge } = payments(provider)
    provider.once('records.drop', fails(new Error('no connection')))
    await expect(
      idempotency.run('order-1', () => {
        throw new Error('card declined')
      }),
    ).rejects.toThrow('card declined')
    await time.pass(1_000)
    expect((await idempotency.run('order-1', charge)).replayed).toBe(false)
  })
})

describe('renewals', () => {
  test.each<[string, (idempotency: Idempotency) => Promise<unknown>]>([
    ['its function answered', (each) => each.run('order-1', () => 'done')],
    [
      'its function threw',
      (each) =>
        each.run('order-1', () => {
          throw new Error('card declined')
        }),
    ],
    ['its value was not kept', (each) => each.run('order-1', () => 1, { keep: () => 'nothing' })],
    ['it was replayed', (each) => each.run('replayed', () => 'again')],
    ['it was recovered', (each) => each.run('lost', () => 'again')],
    ['it stayed unknown', (each) => each.run('unknown', () => 'again')],
    ['it was resolved', (each) => each.resolve('unknown', { retry: true })],
  ])('end with the call, when %s', async (_how, call) => {
    const provider = faultyAdapter()
    await new Idempotency({ provider: provider.store }).run('replayed', () => 'done')
    for (const key of ['lost', 'unknown']) {
      const record = `idempotency:${key}`
      await provider.store.records.begin({
        ...{ record, id: 'dead', lease: 30_000, ttl: 86_400_000, takeover: 'never', meta: {} },
      })
      await provider.store.records.renew(record, 'dead', 0)
    }
    const recover = (key: string) => (key === 'lost' ? { value: 'found' } : undefined)
    await call(new Idempotency({ provider, lease: 3_000, recover })).catch(() => {})
    const renewals = provider.count('records.renew')
    await time.pass(60_000)
    expect(provider.count('records.renew')).toBe(renewals)
    expect(provider.events).toEqual([])
  })
})

describe('renewals that fail', () => {
  test('do not stop the work, and its outcome is kept if nobody took it over', async () => {
    const provider = faultyAdapter()
    const { idempotency, charge } = payments(provider, { lease: 3_000 })
    provider.always('records.renew', hangs)
    const gate = deferred()
    const running = idempotency.run('order-1', async () => {
      await gate.promise
      return charge()
    })
    await time.pass(10_000)
    expect(provider.events).toMatchObject([
      { name: 'holdfast.idempotency.record_lost', key: 'order-1' },
    ])
    await expect(idempotency.run('order-1', charge)).rejects.toSatisfy(isOutcomeUnknownError)
    gate.resolve()
    expect((await running).value).toEqual({ payment: 'p1' })
    expect((await idempotency.run('order-1', charge)).replayed).toBe(true)
  })

  test('let nothing run whose recovery took longer than the claim: another may have run it', async () => {
    const provider = faultyAdapter()
    await crash(provider)
    const gate = deferred<{ retry: true }>()
    const { idempotency, charge, runs } = payments(provider, {
      lease: 3_000,
      recover: () => gate.promise,
    })
    provider.always('records.renew', hangs)
    const late = idempotency.run('order-1', charge)
    late.catch(() => {})
    await time.pass(3_001)
    const rival = new Idempotency({ provider: provider.store, recover: () => ({ retry: true }) })
    expect(await rival.run('order-1', () => 'charged')).toMatchObject({ recovered: true })
    gate.resolve({ retry: true })
    await expect(late).rejects.toSatisfy(isLeaseLostError)
    expect(runs()).toBe(0)
  })
})
