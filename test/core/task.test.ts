// Tasks: they never throw, and their policies apply in one order.

import { describe, expect, expectTypeOf, test } from 'vitest'
import {
  CircuitBreaker,
  isAcquireTimeoutError,
  isTimeoutError,
  Lock,
  MemoryAdapter,
  type Scope,
  Semaphore,
  scope,
} from '../../src/index.ts'
import { deferred } from '../support/deferred.ts'

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

describe('the answer of a task', () => {
  test('is its value, typed', async () => {
    await using s = scope()
    const [error, value] = await s.task(() => 7)
    if (error) expectTypeOf(value).toEqualTypeOf<undefined>()
    else expectTypeOf(value).toEqualTypeOf<number>()
    expect([error, value]).toEqual([undefined, 7])
  })

  test('is the very error that was thrown, of its own class', async () => {
    class PaymentError extends Error {}
    await using s = scope()
    const thrown = new PaymentError('declined')
    const [error] = await s.task(() => {
      throw thrown
    })
    expect(error).toBe(thrown)
  })

  test('wraps what is not an Error, so that the first element tells', async () => {
    await using s = scope()
    const [error] = await s.task(() => Promise.reject(undefined))
    expect(error).toBeInstanceOf(Error)
    expect(error?.cause).toBeUndefined()
    const [text] = await s.task(() => Promise.reject('no'))
    expect(text?.cause).toBe('no')
  })

  test('is an error for options that are not of the documented form', async () => {
    await using s = scope()
    const [error] = await s.task(() => 1, { timeout: Number.NaN })
    expect(error).toMatchObject({ code: 'ERR_HOLDFAST_INVALID_ARGUMENT' })
    const [noFunction] = await s.task(undefined as never)
    expect(noFunction?.message).toContain('Expected `work` to be a function')
  })

  test('is a ClosedError once the scope has ended', async () => {
    const s = scope()
    await s[Symbol.asyncDispose]()
    expect((await s.task(() => 1))[0]).toMatchObject({ code: 'ERR_HOLDFAST_CLOSED' })
  })
})

describe('a timeout', () => {
  test('answers at once and aborts the signal, though the work never settles', async () => {
    await using s = scope({ disposeTimeout: 1 })
    let signal: AbortSignal | undefined
    const [error] = await s.task(
      (context) => {
        signal = context.signal
        return new Promise(() => {})
      },
      { timeout: 10, name: 'charge' },
    )
    expect(isTimeoutError(error)).toBe(true)
    expect(error?.message).toBe("The task 'charge' took longer than 10 ms")
    expect(signal?.reason).toBe(error)
  })

  test('leaves the lock held until the work has settled', async () => {
    const provider = new MemoryAdapter()
    await using s = scope({ provider })
    const rival = new Lock(undefined, { provider, key: 'k' })
    const work = deferred<void>()
    const [error] = await s.task(() => work.promise, { timeout: 10, lock: { key: 'k' } })
    expect(isTimeoutError(error)).toBe(true)
    expect(await rival.tryAcquire()).toBeUndefined()
    work.resolve()
    await (await rival.acquire({ timeout: 1_000 })).release()
  })

  test('keeps the claim of an idempotent task, whose late value is replayed', async () => {
    const provider = new MemoryAdapter()
    await using s = scope({ provider })
    const work = deferred<string>()
    let runs = 0
    const run = () =>
      s.task(
        () => {
          runs++
          return work.promise
        },
        { timeout: 10, idempotency: { key: 'k' } },
      )
    expect(isTimeoutError((await run())[0])).toBe(true)
    expect((await run())[0]).toMatchObject({ code: 'ERR_HOLDFAST_IN_PROGRESS' })
    work.resolve('charged')
    await pause(1)
    expect(await run()).toEqual([undefined, 'charged'])
    expect(runs).toBe(1)
  })

  test('covers the waiting for a lock', async () => {
    const provider = new MemoryAdapter()
    await using s = scope({ provider })
    await using held = await new Lock(undefined, { provider, key: 'k' }).acquire()
    const [error] = await s.task(() => 1, { timeout: 10, lock: { key: 'k' } })
    expect(isTimeoutError(error)).toBe(true)
    expect(held.held).toBe(true)
  })
})

test('an abort answers at once; the lock stays held until the work has settled', async () => {
  const provider = new MemoryAdapter()
  await using s = scope({ provider })
  const controller = new AbortController()
  const work = deferred<void>()
  const running = s.task(() => work.promise, { signal: controller.signal, lock: { key: 'k' } })
  await pause(1)
  controller.abort()
  expect((await running)[0]).toMatchObject({ code: 'ERR_HOLDFAST_ABORTED' })
  const rival = new Lock(undefined, { provider, key: 'k' })
  expect(await rival.tryAcquire()).toBeUndefined()
  work.resolve()
  await (await rival.acquire({ timeout: 1_000 })).release()
})

describe('a retry', () => {
  test('runs again until it succeeds, and says which attempt it is', async () => {
    await using s = scope()
    const attempts: number[] = []
    const result = await s.task(
      ({ attempt }) => {
        attempts.push(attempt)
        if (attempt < 3) throw new Error('again')
        return 'done'
      },
      { retry: { attempts: 3, delay: 1 } },
    )
    expect(result).toEqual([undefined, 'done'])
    expect(attempts).toEqual([1, 2, 3])
  })

  test('gives up after its attempts, with the last error', async () => {
    await using s = scope()
    let runs = 0
    const [error] = await s.task(
      () => {
        throw new Error(`run ${++runs}`)
      },
      { retry: { attempts: 2, delay: 1 } },
    )
    expect(error?.message).toBe('run 2')
  })

  test('stops where shouldRetry says so, and at the timeout', async () => {
    await using s = scope()
    let runs = 0
    const fail = () => {
      runs++
      throw new Error('no')
    }
    await s.task(fail, { retry: { attempts: 5, delay: 1, shouldRetry: () => false } })
    expect(runs).toBe(1)
    const [error] = await s.task(fail, { retry: { attempts: 1_000, delay: 20 }, timeout: 30 })
    expect(isTimeoutError(error)).toBe(true)
    const soFar = runs
    await pause(60)
    expect(runs).toBe(soFar)
  })
})

test('policies apply in one order, whatever order they are written in', async () => {
  const provider = new MemoryAdapter()
  await using s = scope({ provider })
  const lock = new Lock(undefined, { provider, key: 'k' })
  const permits = new Semaphore(1, { provider, key: 'k' })
  let runs = 0
  const options = {
    semaphore: permits,
    lock,
    retry: { attempts: 2, delay: 1 },
    timeout: 5_000,
    idempotency: { key: 'k' },
  }
  const work = async () => {
    runs++
    // Both are held, the permit innermost.
    expect((await lock.inspect()).holders).toHaveLength(1)
    expect((await permits.inspect()).holders).toHaveLength(1)
    if (runs === 1) throw new Error('first attempt')
    return runs
  }
  expect(await s.task(work, options)).toEqual([undefined, 2])
  // A replay takes no lock: it answers while somebody else holds it.
  await using held = await lock.acquire()
  expect(await s.task(work, options)).toEqual([undefined, 2])
  expect(held.held).toBe(true)
})

test('quota is spent before the breaker is asked, and the breaker is asked before a lock is waited for', async () => {
  const provider = new MemoryAdapter()
  await using s = scope({ provider })
  const calls = { key: 'api', limit: 3, window: 60_000 }
  const breaker = new CircuitBreaker({ stateProvider: provider, key: 'api', failureThreshold: 1 })
  await breaker.isolate()
  await using held = await new Lock(undefined, { provider, key: 'k' }).acquire()
  const run = (retry = 1) =>
    s.task(() => 'ran', {
      lock: { key: 'k' },
      circuitBreaker: breaker,
      rateLimit: calls,
      retry: { attempts: retry, delay: 1 },
      timeout: 5_000,
    })
  // The lock is taken, and nobody waits for it behind an open breaker. Each attempt is charged.
  expect((await run(2))[0]).toMatchObject({ code: 'ERR_HOLDFAST_CIRCUIT_OPEN' })
  expect((await run())[0]).toMatchObject({ code: 'ERR_HOLDFAST_CIRCUIT_OPEN' })
  expect((await run())[0]).toMatchObject({ code: 'ERR_HOLDFAST_RATE_LIMITED' })
  expect(held.held).toBe(true)
})

test('a replay costs no quota', async () => {
  await using s = scope({ provider: new MemoryAdapter() })
  const options = {
    idempotency: { key: 'k' },
    rateLimit: { key: 'api', limit: 1, window: 60_000 },
  }
  for (const _again of [1, 2, 3]) {
    expect(await s.task(() => 'done', options)).toEqual([undefined, 'done'])
  }
})

describe('the circuit breaker of a task', () => {
  const down = () => Promise.reject(new Error('down'))
  const isOpen = { code: 'ERR_HOLDFAST_CIRCUIT_OPEN' }
  const breaker = () => ({ key: 'api', failureThreshold: 2, resetTimeout: 60_000 })

  test('is one for all that name its key, however often its options are written', async () => {
    const provider = new MemoryAdapter()
    await using s = scope({ provider })
    let calls = 0
    for (let call = 0; call < 20; call++) {
      await s.task(
        () => {
          calls++
          return down()
        },
        { circuitBreaker: breaker() },
      )
    }
    expect(calls).toBe(2)
    // Also for a child scope, and for another scope with the store.
    const child = s.scope()
    expect((await child.task(() => 1, { circuitBreaker: breaker() }))[0]).toMatchObject(isOpen)
    await using other = scope({ provider })
    expect((await other.task(() => 1, { circuitBreaker: breaker() }))[0]).toMatchObject(isOpen)
    await using elsewhere = scope({ provider: new MemoryAdapter() })
    expect(await elsewhere.task(() => 1, { circuitBreaker: breaker() })).toEqual([undefined, 1])
  })

  test('counts a timeout when it passes, though the function never settles', async () => {
    await using s = scope({ provider: new MemoryAdapter(), disposeTimeout: 1 })
    for (const _call of [1, 2]) {
      const hung = await s.task(() => new Promise(() => {}), {
        circuitBreaker: breaker(),
        timeout: 5,
      })
      expect(isTimeoutError(hung[0])).toBe(true)
    }
    // The breaker opens behind the caller's back.
    await pause(1)
    expect((await s.task(() => 1, { circuitBreaker: breaker() }))[0]).toMatchObject(isOpen)
  })

  test.each<[string, (s: Scope) => Promise<unknown>]>([
    [
      'a lock that was busy',
      (s) => s.task(down, { circuitBreaker: breaker(), lock: { key: 'k', timeout: 0 } }),
    ],
    [
      'a full queue',
      async (s) => {
        const controller = new AbortController()
        const options = { circuitBreaker: breaker(), lock: { key: 'k', maxWaiters: 1 } }
        const waiting = s.task(down, { ...options, signal: controller.signal })
        await pause(1)
        const [error] = await s.task(down, options)
        expect(error).toMatchObject({ code: 'ERR_HOLDFAST_QUEUE_FULL' })
        controller.abort('enough')
        await waiting
        await pause(1)
      },
    ],
    [
      'a semaphore without a permit',
      (s) =>
        s.task(down, { circuitBreaker: breaker(), semaphore: { key: 'p', limit: 1, timeout: 0 } }),
    ],
    [
      'a task that its caller aborts',
      async (s) => {
        const controller = new AbortController()
        const running = s.task(
          ({ signal }) =>
            new Promise((_resolve, reject) => {
              signal.addEventListener('abort', () => reject(signal.reason))
            }),
          { circuitBreaker: breaker(), signal: controller.signal },
        )
        await pause(1)
        controller.abort('no longer wanted')
        await running
      },
    ],
  ])('does not count %s', async (_what, refuse) => {
    const provider = new MemoryAdapter()
    await using s = scope({ provider, disposeTimeout: 1 })
    await using held = await new Lock(undefined, { provider, key: 'k' }).acquire()
    await using permit = await new Semaphore(1, { provider, key: 'p' }).acquire()
    for (const _time of [1, 2, 3]) await refuse(s)
    expect(await s.task(() => 'closed', { circuitBreaker: breaker() })).toEqual([
      undefined,
      'closed',
    ])
    expect([held.held, permit.held]).toEqual([true, true])
  })

  test('gets its probe back from a task that was refused by its lock', async () => {
    const provider = new MemoryAdapter()
    await using s = scope({ provider })
    const circuitBreaker = { key: 'api', failureThreshold: 1, resetTimeout: 1, halfOpenRequests: 1 }
    await using held = await new Lock(undefined, { provider, key: 'k' }).acquire()
    await s.task(down, { circuitBreaker })
    await pause(5)
    // It would wait for half a minute if the refused task had kept the only probe.
    const [refused] = await s.task(() => 1, { circuitBreaker, lock: { key: 'k', timeout: 0 } })
    expect(isAcquireTimeoutError(refused)).toBe(true)
    expect(await s.task(() => 'well again', { circuitBreaker })).toEqual([undefined, 'well again'])
    expect(held.held).toBe(true)
  })

  test('needs a key, and a store that can count', async () => {
    await using s = scope()
    const [keyless] = await s.task(() => 1, { circuitBreaker: { failureThreshold: 1 } as never })
    expect(keyless?.message).toContain('Expected `key` to be')
    const { grants, records, signals, deadline } = new MemoryAdapter()
    const poor = { grants, records, signals, deadline } as MemoryAdapter
    const [error] = await s.task(() => 1, { circuitBreaker: { key: 'api', stateProvider: poor } })
    expect(error).toMatchObject({ code: 'ERR_HOLDFAST_INVALID_ARGUMENT' })
    expect(() => scope({ provider: poor })).toThrow('Expected `provider` to be a store adapter')
  })
})

test('a permit is held until the work has settled, also when the task has answered with a timeout', async () => {
  const provider = new MemoryAdapter()
  await using s = scope({ provider })
  const work = deferred<void>()
  const semaphore = { key: 'p', limit: 1, timeout: 0 }
  const [error] = await s.task(() => work.promise, { timeout: 10, semaphore })
  expect(isTimeoutError(error)).toBe(true)
  expect(isAcquireTimeoutError((await s.task(() => 1, { semaphore }))[0])).toBe(true)
  work.resolve()
  await new Semaphore(1, { provider, key: 'p' }).run(() => {}, { timeout: 1_000 })
})

test('a lock that cannot be had in time is the task’s error, and the work does not run', async () => {
  const provider = new MemoryAdapter()
  await using s = scope({ provider })
  await using held = await new Lock(undefined, { provider, key: 'k' }).acquire()
  let ran = false
  const [error] = await s.task(
    () => {
      ran = true
    },
    { lock: { key: 'k', timeout: 5 } },
  )
  expect(isAcquireTimeoutError(error)).toBe(true)
  expect(ran).toBe(false)
  expect(held.held).toBe(true)
})

test('a lost lock aborts the task’s signal', async () => {
  let time = 0
  const provider = new MemoryAdapter({ clock: () => time })
  await using s = scope({ provider })
  const [error, reason] = await s.task(
    async ({ signal }) => {
      // The store forgets the grant; the next renewal learns it.
      time += 10_000
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      return signal.reason
    },
    { lock: { key: 'k', ttl: 90 } },
  )
  expect(error).toBeUndefined()
  expect(reason).toMatchObject({ code: 'ERR_HOLDFAST_LEASE_LOST' })
})

test.each(['idempotency', 'timeout', 'retry', 'rateLimit', 'circuitBreaker', 'lock', 'semaphore'])(
  'null for `%s` is refused: the task would run unguarded',
  async (option) => {
    await using s = scope()
    let ran = false
    const [error] = await s.task(() => (ran = true), { [option]: null as never })
    expect(error).toMatchObject({ code: 'ERR_HOLDFAST_INVALID_ARGUMENT' })
    expect(ran).toBe(false)
  },
)

test('null for the store of a lock is refused: it would be another store than the one meant', async () => {
  await using s = scope({ provider: new MemoryAdapter() })
  const [error] = await s.task(() => {}, { lock: { provider: null as never, key: 'k' } })
  expect(error).toMatchObject({ code: 'ERR_HOLDFAST_INVALID_ARGUMENT' })
})
