// Circuit breakers where other libraries' went wrong: late outcomes, hung probes, shared signals, nested scopes.

import { getEventListeners } from 'node:events'
import { describe, expect, test } from 'vitest'
import {
  CircuitBreaker,
  type CircuitBreakerOptions,
  isCircuitOpenError,
  MemoryAdapter,
  scope,
} from '../../src/index.ts'
import { type Deferred, deferred } from '../support/deferred.ts'
import { fakeTime } from '../support/fake-time.ts'

const time = fakeTime()
const work = () => 'answer'
const fail = () => Promise.reject(new Error('down'))

function breakerOf(options: CircuitBreakerOptions = {}): CircuitBreaker {
  const stateProvider = new MemoryAdapter()
  return new CircuitBreaker({
    stateProvider,
    key: 'api',
    failureThreshold: 3,
    resetTimeout: 10_000,
    ...options,
  })
}

async function failing(breaker: CircuitBreaker, times: number): Promise<void> {
  for (let call = 0; call < times; call++) await breaker.execute(fail).catch(() => {})
}

/** A call that goes on until the test ends it. */
function pending(breaker: CircuitBreaker): Deferred<string> & { readonly ended: Promise<unknown> } {
  const answer = deferred<string>()
  const ended = breaker.execute(() => answer.promise).catch((error: unknown) => error)
  return { ...answer, ended }
}

describe('failures that come late, while the breaker is open', () => {
  test('tell nobody again, and do not put off the next try', async () => {
    const breaker = breakerOf()
    const heard: string[] = []
    const late = Array.from({ length: 5 }, () => pending(breaker))
    breaker.on('stateChange', (state, previous) => heard.push(`${previous} → ${state}`))
    await failing(breaker, 3)
    await time.pass(6_000)
    for (const call of late) call.reject(new Error('down, too'))
    await Promise.all(late.map(({ ended }) => ended))
    await time.pass(1_000)
    expect(await breaker.execute(work).catch((error) => error.retryAfter)).toBe(3_000)
    await time.pass(3_000)
    expect(await breaker.execute(work)).toBe('answer')
    expect(heard).toEqual(['closed → open', 'open → half_open', 'half_open → closed'])
  })
})

describe('while a probe is on its way', () => {
  async function probing(options?: CircuitBreakerOptions) {
    const breaker = breakerOf(options)
    const before = [pending(breaker), pending(breaker)] as const
    await failing(breaker, 3)
    await time.pass(10_000)
    const probe = pending(breaker)
    await time.settle()
    expect(breaker.state).toBe('half_open')
    return { breaker, before, probe }
  }

  test('a success of a call that began before the breaker opened does not close it', async () => {
    const { breaker, before, probe } = await probing()
    before[0].resolve('late')
    expect(await before[0].ended).toBe('late')
    await time.pass(1_000)
    expect(breaker.state).toBe('half_open')
    probe.reject(new Error('still down'))
    await probe.ended
    expect(breaker.state).toBe('open')
  })

  test('a failure of such a call does not open it again: the probe’s success closes it', async () => {
    const { breaker, before, probe } = await probing()
    before[1].reject(new Error('late'))
    await before[1].ended
    await time.pass(1_000)
    expect(breaker.state).toBe('half_open')
    probe.resolve('up')
    await probe.ended
    expect(breaker.state).toBe('closed')
  })

  test('nobody queues behind it: others are refused at once, and told when to come again', async () => {
    const { breaker } = await probing()
    const others = await Promise.all(
      Array.from({ length: 20 }, () => breaker.execute(work).catch((error: unknown) => error)),
    )
    for (const error of others) {
      expect(isCircuitOpenError(error) && error.retryAfter > 0).toBe(true)
    }
  })

  test('one that hangs for ever has its lease, and then another probe decides', async () => {
    const { breaker } = await probing({ probeLease: 5_000 })
    await time.pass(5_000)
    expect(await breaker.execute(work)).toBe('answer')
    expect(breaker.state).toBe('closed')
  })
})

test('a signal that many calls share has a listener for each that runs, and none afterwards', async () => {
  const breaker = breakerOf()
  const { signal } = new AbortController()
  for (let call = 0; call < 50; call++) await breaker.execute(work, { signal })
  expect(getEventListeners(signal, 'abort')).toEqual([])
})

test('a listener that throws changes no answer, and is no failure of the call', async () => {
  const breaker = breakerOf({ failureThreshold: 1, resetTimeout: 1_000 })
  breaker.on('stateChange', () => {
    throw new Error('broken listener')
  })
  await expect(breaker.execute(fail)).rejects.toThrow('down')
  await time.pass(1_000)
  expect(await breaker.execute(work)).toBe('answer')
  expect(breaker.state).toBe('closed')
})

test('tasks of nested scopes count on the breaker that they are given, and are refused together', async () => {
  const breaker = breakerOf({ failureThreshold: 2 })
  await using service = scope()
  let reached = 0
  for (let request = 0; request < 20; request++) {
    await using each = service.scope()
    await each.task(
      () => {
        reached++
        return fail()
      },
      { circuitBreaker: breaker },
    )
  }
  expect(reached).toBe(2)
})
