// Circuit breakers: when they open, whom they let probe, what counts and what does not.

import { describe, expect, test } from 'vitest'
import {
  type BreakerProvider,
  CircuitBreaker,
  type CircuitBreakerOptions,
  type HoldfastEvent,
  MemoryAdapter,
  scope,
} from '../../src/index.ts'
import { deferred } from '../support/deferred.ts'
import { eventually } from '../support/eventually.ts'
import { answersAfter, faultyAdapter } from '../support/faulty-adapter.ts'

const fail = () => Promise.reject(new Error('down'))
const work = () => 'answer'
const isOpen = { code: 'ERR_HOLDFAST_CIRCUIT_OPEN' }
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** Breakers of several processes, as far as they share nothing but the store. */
function breakers(count: number, options: CircuitBreakerOptions = {}) {
  const stateProvider = new MemoryAdapter()
  return Array.from(
    { length: count },
    () =>
      new CircuitBreaker({
        stateProvider,
        key: 'api',
        failureThreshold: 3,
        resetTimeout: 40,
        ...options,
      }),
  ) as [CircuitBreaker, CircuitBreaker, CircuitBreaker]
}

/** A breaker, and how often it has asked its store. */
function counted(): { readonly breaker: CircuitBreaker; asked(): number } {
  const store = new MemoryAdapter()
  let asked = 0
  const counting = <P extends object>(port: P): P =>
    new Proxy(port, {
      get: (target, name) => {
        const method = Reflect.get(target, name)
        if (typeof method !== 'function') return method
        return (...args: unknown[]) => {
          asked++
          return method.apply(target, args)
        }
      },
    })
  const stateProvider: BreakerProvider = {
    deadline: 1_000,
    onEvent: undefined,
    signals: store.signals,
    counts: counting(store.counts),
    grants: counting(store.grants),
  }
  const breaker = new CircuitBreaker({ stateProvider, key: 'api' })
  return { breaker, asked: () => asked }
}

async function failing(breaker: CircuitBreaker, times: number): Promise<void> {
  for (let call = 0; call < times; call++) await breaker.execute(fail).catch(() => {})
}

describe('a breaker', () => {
  test('opens at the threshold, and says when to try again', async () => {
    const [breaker] = breakers(1)
    await failing(breaker, 2)
    expect(breaker.state).toBe('closed')
    await failing(breaker, 1)
    expect(breaker.state).toBe('open')
    const refusal = await breaker.execute(work).catch((error) => error)
    expect(refusal).toMatchObject(isOpen)
    expect(refusal.retryAfter).toBeGreaterThan(0)
    expect(refusal.retryAfter).toBeLessThanOrEqual(40)
  })

  test('counts the failures of all processes together, and opens in all', async () => {
    const [one, two, three] = breakers(3)
    // Each has to have been used to be listening.
    await Promise.all([one, two, three].map((each) => each.execute(work)))
    await failing(one, 1)
    await failing(two, 1)
    await pause(150)
    await failing(three, 1)
    await pause(1)
    expect([one.state, two.state, three.state]).toEqual(['open', 'open', 'open'])
  })

  test('forgets what is older than the window', async () => {
    const [breaker] = breakers(1, { window: 30 })
    await failing(breaker, 2)
    await pause(60)
    await failing(breaker, 2)
    expect(breaker.state).toBe('closed')
  })

  test('does not open by its lifetime: successes between failures age like them', async () => {
    const [breaker] = breakers(1, { failureRate: 0.5, minimumCalls: 4 })
    await failing(breaker, 1)
    for (let call = 0; call < 5; call++) await breaker.execute(work)
    await failing(breaker, 2)
    expect(breaker.state).toBe('closed')
  })

  test('opens by the rate of failures, once there are enough calls', async () => {
    const [breaker] = breakers(1, { failureRate: 0.5, minimumCalls: 4 })
    await failing(breaker, 3)
    expect(breaker.state).toBe('closed')
    await failing(breaker, 1)
    expect(breaker.state).toBe('open')
  })

  test('opens by the rate of slow calls, though they succeed', async () => {
    const [breaker] = breakers(1, { slowCall: { duration: 5, rate: 1 }, minimumCalls: 2 })
    await breaker.execute(() => pause(10))
    await breaker.execute(() => pause(10))
    expect(breaker.state).toBe('open')
  })

  test('makes no round trip while it is closed', async () => {
    const { breaker, asked } = counted()
    await breaker.execute(work)
    await pause(1)
    const first = asked()
    for (let call = 0; call < 500; call++) await breaker.execute(work)
    expect(asked() - first).toBeLessThanOrEqual(1)
  })

  test('asks the store a few times only when a thousand calls fail at once', async () => {
    const { breaker, asked } = counted()
    await breaker.execute(work)
    const outage = deferred<never>()
    const calls = Array.from({ length: 1_000 }, () => breaker.execute(() => outage.promise))
    const before = asked()
    outage.reject(new Error('down'))
    await Promise.allSettled(calls)
    expect(breaker.state).toBe('open')
    expect(asked() - before).toBeLessThanOrEqual(5)
  })
})

test('one that is isolated by hand stays so in memory, however long nobody asks', async () => {
  let time = 0
  const stateProvider = new MemoryAdapter({ clock: () => time })
  const options = { stateProvider, key: 'api' }
  await new CircuitBreaker(options).isolate()
  time += 365 * 24 * 3_600_000
  const another = new CircuitBreaker(options)
  await expect(another.execute(work)).rejects.toMatchObject(isOpen)
  expect(another.state).toBe('isolated')
})

describe('what counts', () => {
  test('not the caller’s abort, nor refusals of what is inside', async () => {
    const [breaker] = breakers(1, { failureThreshold: 1 })
    const controller = new AbortController()
    const aborted = breaker.execute(
      ({ signal }) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason))
        }),
      { signal: controller.signal },
    )
    controller.abort()
    await aborted.catch(() => {})
    const refusal = Object.assign(new Error('busy'), { code: 'ERR_HOLDFAST_ACQUIRE_TIMEOUT' })
    Object.defineProperty(refusal, Symbol.for('holdfast.error'), { value: true })
    await breaker.execute(() => Promise.reject(refusal)).catch(() => {})
    expect(breaker.state).toBe('closed')
  })

  test('what isFailure says', async () => {
    const isFailure = (error: unknown) => (error as Error).message !== 'not found'
    const [breaker] = breakers(1, { failureThreshold: 1, isFailure })
    await breaker.execute(() => Promise.reject(new Error('not found'))).catch(() => {})
    expect(breaker.state).toBe('closed')
    await failing(breaker, 1)
    expect(breaker.state).toBe('open')
  })

  test('an error of which isFailure throws, as if it were not given; and the caller gets that error', async () => {
    const events: HoldfastEvent[] = []
    const onEvent = (event: HoldfastEvent): void => void events.push(event)
    const isFailure = (error: unknown) =>
      (error as { response: { status: number } }).response.status >= 500
    const stateProvider = new MemoryAdapter({ onEvent })
    const [breaker] = breakers(1, { failureThreshold: 1, isFailure, stateProvider })
    await expect(breaker.execute(fail)).rejects.toThrow('down')
    expect(breaker.state).toBe('open')
    await pause(50)
    // A probe too, whose place is then free.
    await expect(breaker.execute(fail)).rejects.toThrow('down')
    expect(breaker.state).toBe('open')
    const faults = events.filter(({ name }) => name === 'holdfast.callback.failed')
    expect(faults).toMatchObject([
      { key: 'api', error: expect.any(TypeError) },
      { key: 'api', error: expect.any(TypeError) },
    ])
  })

  test('a dependency that only hangs, through the timeout', async () => {
    const [breaker] = breakers(1)
    await using s = scope({ disposeTimeout: 1 })
    for (let call = 0; call < 3; call++) {
      await s.task(() => new Promise(() => {}), { circuitBreaker: breaker, timeout: 5 })
    }
    await pause(5)
    expect(breaker.state).toBe('open')
    const [error] = await s.task(work, { circuitBreaker: breaker })
    expect(error).toMatchObject(isOpen)
  })

  test('what a report on its way tells: the call that reaches the threshold waits for the trip', async () => {
    const stateProvider = faultyAdapter()
    const breaker = new CircuitBreaker({ stateProvider, key: 'api', failureThreshold: 3 })
    await breaker.execute(work)
    const gate = deferred()
    const reported = stateProvider.count('counts.report')
    stateProvider.once('counts.report', answersAfter(gate.promise))
    await failing(breaker, 2)
    await eventually(() => stateProvider.count('counts.report') === reported + 1)
    let settled = false
    const third = failing(breaker, 1).then(() => {
      settled = true
    })
    await pause(20)
    expect(settled).toBe(false)
    gate.resolve()
    await third
    expect(breaker.state).toBe('open')
  })

  test('not the late outcome of a call that began before the breaker opened', async () => {
    const [breaker] = breakers(1, { resetTimeout: 60_000 })
    const late = deferred<string>()
    const began = breaker.execute(() => late.promise)
    await failing(breaker, 3)
    late.resolve('fine')
    await began
    await pause(150)
    expect(breaker.state).toBe('open')
  })
})

describe('a half-open breaker', () => {
  test('lets as many probes through as it may have, in all processes together', async () => {
    const [one, two, three] = breakers(3, { halfOpenRequests: 2 })
    await failing(one, 3)
    await pause(60)
    const answer = deferred<string>()
    let probes = 0
    const probe = () => {
      probes++
      return answer.promise
    }
    const calls = Array.from({ length: 30 }, (_none, at) =>
      ([one, two, three][at % 3] as CircuitBreaker).execute(probe),
    )
    const settled = Promise.allSettled(calls)
    await pause(20)
    expect(probes).toBe(2)
    answer.resolve('up')
    const refused = (await settled).filter(({ status }) => status === 'rejected')
    expect(refused).toHaveLength(28)
    expect(one.state).toBe('closed')
    expect(await two.execute(work)).toBe('answer')
  })

  test('opens again at a failed probe, for twice as long, up to the limit', async () => {
    const [breaker] = breakers(1, { resetTimeout: 30, maxResetTimeout: 50 })
    const left = async () => (await breaker.execute(work).catch((error) => error)).retryAfter
    await failing(breaker, 3)
    await pause(40)
    await failing(breaker, 1)
    expect(breaker.state).toBe('open')
    const second = await left()
    expect(second).toBeGreaterThan(30)
    expect(second).toBeLessThanOrEqual(50)
    await pause(60)
    expect(await breaker.execute(work)).toBe('answer')
    expect(breaker.state).toBe('closed')
  })

  test('is not wedged by a probe that hangs: its lease makes room for another', async () => {
    const [one, two] = breakers(2, { probeLease: 50 })
    await failing(one, 3)
    await pause(50)
    const hung = deferred<string>()
    const hanging = one.execute(() => hung.promise)
    await pause(5)
    await expect(two.execute(work)).rejects.toMatchObject(isOpen)
    await pause(80)
    expect(await two.execute(work)).toBe('answer')
    expect(two.state).toBe('closed')
    hung.resolve('late')
    await hanging
    expect(two.state).toBe('closed')
  })

  test('takes a probe back that its caller gave up', async () => {
    const [breaker] = breakers(1)
    await failing(breaker, 3)
    await pause(50)
    const controller = new AbortController()
    const given = breaker.execute(() => new Promise(() => {}), { signal: controller.signal })
    given.catch(() => {})
    await pause(5)
    controller.abort()
    await pause(5)
    expect(await breaker.execute(work)).toBe('answer')
  })
})

describe('by hand', () => {
  test('a breaker is isolated in all processes until it is reset', async () => {
    const [one, two] = breakers(2)
    await two.execute(work)
    await one.isolate()
    await pause(1)
    await expect(two.execute(work)).rejects.toMatchObject(isOpen)
    expect(two.state).toBe('isolated')
    await two.reset()
    await pause(1)
    expect(await one.execute(work)).toBe('answer')
  })

  test('listeners hear every change, and cannot do harm', async () => {
    const events: HoldfastEvent[] = []
    const onEvent = (event: HoldfastEvent): void => void events.push(event)
    const [breaker] = breakers(1, { stateProvider: new MemoryAdapter({ onEvent }) })
    const heard: string[] = []
    breaker.on('stateChange', () => {
      throw new Error('broken listener')
    })
    breaker.on('stateChange', async () => {
      throw new Error('broken later')
    })
    const off = breaker.on('stateChange', (state, previous) => heard.push(`${previous} → ${state}`))
    await failing(breaker, 4)
    await pause(50)
    await breaker.execute(work)
    off()
    await failing(breaker, 3)
    expect(heard).toEqual(['closed → open', 'open → half_open', 'half_open → closed'])
    const faults = events.filter(({ name }) => name === 'holdfast.callback.failed')
    expect(faults.slice(0, 2)).toMatchObject([
      { key: 'api', error: { message: 'broken listener' } },
      { key: 'api', error: { message: 'broken later' } },
    ])
  })
})

test('with the store away, the process decides alone, and joins the others when it is back', async () => {
  const store = new MemoryAdapter()
  let away = false
  const guarded = <P extends object>(port: P): P =>
    new Proxy(port, {
      get: (target, name) => {
        const method = Reflect.get(target, name)
        if (typeof method !== 'function') return method
        return (...args: unknown[]) =>
          away ? Promise.reject(new Error('gone')) : method.apply(target, args)
      },
    })
  const stateProvider: BreakerProvider = {
    deadline: 1_000,
    onEvent: undefined,
    signals: store.signals,
    counts: guarded(store.counts),
    grants: guarded(store.grants),
  }
  const options = { stateProvider, key: 'api', failureThreshold: 3, resetTimeout: 30 }
  const breaker = new CircuitBreaker(options)
  await breaker.execute(work)
  away = true
  await failing(breaker, 3)
  expect(breaker.state).toBe('open')
  await expect(breaker.execute(work)).rejects.toMatchObject(isOpen)
  await pause(40)
  expect(await breaker.execute(work)).toBe('answer')
  expect(breaker.state).toBe('closed')
  away = false
  const other = new CircuitBreaker(options)
  await other.isolate()
  await pause(1_100)
  await breaker.execute(work).catch(() => {})
  await pause(5)
  expect(breaker.state).toBe('isolated')
})

test.each([
  [{ failureThreshold: 0 }, '`failureThreshold`'],
  [{ failureRate: 1.5 }, '`failureRate`'],
  [{ window: Number.NaN }, '`window`'],
  [{ slowCall: { duration: 0, rate: 1 } }, '`slowCall.duration`'],
  [{ slowCall: null as never }, '`options`'],
  [{ halfOpenRequests: -1 }, '`halfOpenRequests`'],
  [{ stateProvider: new MemoryAdapter() }, '`key`'],
])('the options %o are refused', (options, message) => {
  expect(() => new CircuitBreaker(options)).toThrow(message)
})
