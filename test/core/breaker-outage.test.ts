// Circuit breakers over a store that fails, hangs or answers late: what they know, and whom they let through.

import { describe, expect, test } from 'vitest'
import {
  CircuitBreaker,
  type CircuitBreakerOptions,
  MemoryAdapter,
  StoreCorruptError,
  StoreUnavailableError,
  TimeoutError,
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
} from '../support/faulty-adapter.ts'

const time = fakeTime()

const work = () => 'answer'
const fail = () => Promise.reject(new Error('down'))
const isOpen = { code: 'ERR_HOLDFAST_CIRCUIT_OPEN' }

const lost = {
  ...{ breaker: 'breaker:api', generation: 0, window: 1_000, reporter: 'somebody', sequence: 1 },
  outcomes: { success: 0, failure: 0, slow: 0 },
}

/** Breakers of two processes, of which the second one always reaches the store. */
function breakers(options: CircuitBreakerOptions = {}, deadline = 2_000) {
  const provider = faultyAdapter({ deadline })
  const shared = { key: 'api', failureThreshold: 3, resetTimeout: 1_000, ...options }
  return {
    provider,
    breaker: new CircuitBreaker({ ...shared, stateProvider: provider }),
    other: new CircuitBreaker({ ...shared, stateProvider: provider.store }),
  }
}

/** Takes the store away, or brings it back. */
function away(provider: FaultyAdapter, fault: Fault | undefined): void {
  for (const call of ['counts.report', 'counts.move', 'grants.acquire'] as const) {
    provider.always(call, fault)
  }
}

test('every call waits for the first answer of the store, however long it takes', async () => {
  const { provider, breaker, other } = breakers()
  await other.isolate()
  const gate = deferred()
  provider.once('counts.report', answersAfter(gate.promise))
  const calls = [breaker.execute(work)]
  await time.pass(1_500)
  calls.push(breaker.execute(work))
  gate.resolve()
  for (const call of await Promise.allSettled(calls)) expect(call).toMatchObject({ reason: isOpen })
})

test('over a store whose record is not ours the process decides alone, and an event says so', async () => {
  const { provider, breaker } = breakers()
  const error = new StoreCorruptError('Not ours', { key: 'api' })
  provider.always('counts.report', fails(error))
  for (let call = 0; call < 3; call++) await breaker.execute(fail).catch(() => {})
  await expect(breaker.execute(work)).rejects.toMatchObject(isOpen)
  const told = provider.events.filter(({ name }) => name === 'holdfast.guard.fail_open')
  expect(told).toEqual([{ name: 'holdfast.guard.fail_open', key: 'api', error }])
})

test('an answer that was overtaken by a later one does not set the breaker back', async () => {
  const { provider, breaker } = breakers({ failureThreshold: 1 })
  const states: string[] = []
  breaker.on('stateChange', (state) => states.push(state))
  await breaker.execute(fail).catch(() => {})
  await time.pass(1_000)
  const [asked, gate] = [deferred(), deferred()]
  provider.once('counts.report', answersAfter(gate.promise))
  provider.once('counts.move', landsAfter(asked.promise))
  const probed = deferred<string>()
  const probe = breaker.execute(() => probed.promise)
  await time.settle()
  asked.resolve()
  await time.settle()
  expect(breaker.state).toBe('half_open')
  gate.resolve()
  await time.settle()
  expect(breaker.state).toBe('half_open')
  probed.resolve('answer')
  expect(await probe).toBe('answer')
  expect(states).toEqual(['open', 'half_open', 'closed'])
})

test('a store that has lost its data is believed, though it begins anew with lower generations', async () => {
  const { provider, breaker, other } = breakers()
  await other.isolate()
  await expect(breaker.execute(work)).rejects.toMatchObject(isOpen)
  const { counts } = new MemoryAdapter()
  provider.always('counts.report', () => counts.report(lost) as never)
  await time.pass(1_000)
  await breaker.execute(work).catch(() => {})
  await time.settle()
  expect(breaker.state).toBe('closed')
})

describe('a transition by hand', () => {
  test('is made whatever others do meanwhile', async () => {
    const { provider, breaker, other } = breakers({ failureThreshold: 1 })
    await breaker.execute(work)
    provider.once('counts.move', async (carryOut) => {
      await other.execute(fail).catch(() => {})
      return carryOut()
    })
    await breaker.isolate()
    await time.settle()
    expect([breaker.state, other.state]).toEqual(['isolated', 'isolated'])
    await other.reset()
    await time.settle()
    expect(await breaker.execute(work)).toBe('answer')
  })

  test('forgets what was counted, by a process too that has not heard of the last transition', async () => {
    const { provider, breaker, other } = breakers()
    provider.always('signals.listen', fails(new Error('no messages')))
    await breaker.execute(work)
    await time.pass(200)
    await other.isolate()
    await other.reset()
    for (let call = 0; call < 2; call++) await other.execute(fail).catch(() => {})
    await time.pass(500)
    await breaker.reset()
    await time.settle()
    await other.execute(fail).catch(() => {})
    await time.pass(500)
    expect(other.state).toBe('closed')
  })

  test('throws when the store is away: it holds in this process, until the store is back', async () => {
    const { provider, breaker } = breakers()
    await breaker.execute(work)
    away(provider, fails(new StoreUnavailableError('gone', { outcome: 'none' })))
    const refusal = { code: 'ERR_HOLDFAST_STORE_UNAVAILABLE', outcome: 'none' }
    await expect(breaker.isolate()).rejects.toMatchObject(refusal)
    await expect(breaker.execute(work)).rejects.toMatchObject(isOpen)
    await expect(breaker.reset()).rejects.toMatchObject(refusal)
    expect(await breaker.execute(work)).toBe('answer')
    await expect(breaker.isolate()).rejects.toMatchObject(refusal)
    away(provider, undefined)
    await time.pass(1_500)
    await breaker.execute(work).catch(() => {})
    await time.settle()
    expect(breaker.state).toBe('closed')
  })

  test('asks the store, though it was away a moment ago', async () => {
    const { provider, breaker, other } = breakers()
    provider.once('counts.report', fails(new Error('gone')))
    await breaker.execute(work)
    await breaker.isolate()
    await expect(other.execute(work)).rejects.toMatchObject(isOpen)
    await expect(breaker.execute(work)).rejects.toMatchObject(isOpen)
  })
})

describe('a probe', () => {
  /** Breakers that are about to be half-open. */
  async function opened(deadline?: number, options: CircuitBreakerOptions = {}) {
    const all = breakers({ failureThreshold: 1, probeLease: 60_000, ...options }, deadline)
    await all.breaker.execute(fail).catch(() => {})
    await time.pass(1_000)
    return all
  }

  test('that is granted after it was given up is given back', async () => {
    const { provider, breaker, other } = await opened()
    const gate = deferred()
    provider.once('grants.acquire', answersAfter(gate.promise))
    const probe = breaker.execute(work)
    await time.pass(2_000)
    // By what this process knows.
    expect(await probe).toBe('answer')
    await expect(other.execute(work)).rejects.toMatchObject(isOpen)
    gate.resolve()
    await time.settle()
    expect(await other.execute(work)).toBe('answer')
  })

  test('that is granted when the breaker has moved on is given back, and not made', async () => {
    const { provider, breaker, other } = await opened()
    const gate = deferred()
    provider.once('grants.acquire', answersAfter(gate.promise))
    let called = false
    const probe = breaker.execute(() => {
      called = true
    })
    const refused = expect(probe).rejects.toMatchObject(isOpen)
    await time.settle()
    await other.isolate()
    await time.settle()
    gate.resolve()
    await refused
    await time.settle()
    expect(called).toBe(false)
    expect(provider.count('grants.release')).toBe(1)
  })

  test('that succeeded counts once when the store goes away, however many are asked for at that moment', async () => {
    const { provider, breaker } = await opened(500, { halfOpenRequests: 3 })
    expect(await breaker.execute(work)).toBe('answer')
    away(provider, fails(new Error('gone')))
    const pending = Array.from({ length: 3 }, () => breaker.execute(() => new Promise(() => {})))
    await time.pass(1_500)
    const one = breaker.execute(work)
    await Promise.race([one, ...pending]).catch(() => {})
    await time.settle()
    expect(breaker.state).toBe('half_open')
  })

  test('does not keep its caller waiting for longer than the deadline of the store when it is given back', async () => {
    const { provider, breaker } = await opened(500)
    provider.always('grants.release', hangs)
    const probe = breaker.execute(work)
    let answered = false
    void probe.then(() => {
      answered = true
    })
    await time.pass(500)
    expect(answered).toBe(true)
  })
})

test('a timeout while the breaker is asked says nothing of the dependency, which was not called', async () => {
  const { provider, breaker } = breakers({ failureThreshold: 1 })
  const gate = deferred()
  provider.once('counts.report', answersAfter(gate.promise))
  const controller = new AbortController()
  let called = false
  const call = breaker.execute(
    () => {
      called = true
    },
    { signal: controller.signal },
  )
  const late = new TimeoutError('The task took longer than 5 ms')
  controller.abort(late)
  gate.resolve()
  await expect(call).rejects.toBe(late)
  await time.pass(200)
  expect([called, breaker.state]).toEqual([false, 'closed'])
})
