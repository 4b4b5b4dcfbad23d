// Rate limits: what a window admits, what a refusal costs, and what happens when the store is away.

import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import {
  isAbortedError,
  isQueueFullError,
  MemoryAdapter,
  type RateLimitedError,
  RateLimiter,
  type RateLimitProvider,
  scope,
} from '../../src/index.ts'
import { deferred } from '../support/deferred.ts'
import { fails, faultyAdapter } from '../support/faulty-adapter.ts'

/** A limiter on a clock that stands still until it is moved. */
function limiterAt(options: Partial<ConstructorParameters<typeof RateLimiter>[0]> = {}) {
  const clock = { time: 1_000_000 }
  const provider = new MemoryAdapter({ clock: () => clock.time })
  const limiter = new RateLimiter({ provider, key: 'api', limit: 10, window: 1_000, ...options })
  return { clock, provider, limiter }
}

describe('a limit of 10 in a second', () => {
  test('admits ten at once, then one every 100 ms, and says when', async () => {
    const { clock, limiter, provider } = limiterAt()
    for (let left = 9; left >= 0; left--) {
      expect(await limiter.consume()).toMatchObject({ allowed: true, remaining: left })
    }
    expect(await limiter.consume()).toEqual({
      allowed: false,
      remaining: 0,
      retryAfter: 100,
      resetAfter: 1_000,
      rule: '10-in-1000ms',
      standings: [{ rule: '10-in-1000ms', remaining: 0, retryAfter: 100, resetAfter: 1_000 }],
    })
    clock.time += 100
    // Another process has no memory of the refusal.
    const other = new RateLimiter({ provider, key: 'api', limit: 10, window: 1_000 })
    expect(await other.consume()).toMatchObject({ allowed: true, remaining: 0 })
    expect(await other.consume()).toMatchObject({ allowed: false })
  })

  test('a refused call spends nothing', async () => {
    const { clock, limiter } = limiterAt()
    await limiter.consume({ cost: 10 })
    for (let call = 0; call < 50; call++) await limiter.consume()
    clock.time += 1_000
    expect(await limiter.peek()).toMatchObject({ remaining: 10 })
  })

  test('a lone retry after `retryAfter` succeeds, for every cost', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 7 }),
        fc.integer({ min: 1, max: 7 }),
        async (limit, cost) => {
          const { clock, limiter, provider } = limiterAt({ limit, window: 997, burst: 7 })
          await limiter.consume({ cost: 7 })
          const { retryAfter } = await limiter.consume({ cost })
          clock.time += retryAfter
          const fresh = new RateLimiter({ provider, key: 'api', limit, window: 997, burst: 7 })
          expect(await fresh.consume({ cost })).toMatchObject({ allowed: true })
        },
      ),
    )
  })

  test('no window admits more than limit + burst, whatever the calls', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 1, max: 4 })), {
          minLength: 20,
          maxLength: 80,
        }),
        async (calls) => {
          const { clock, provider } = limiterAt()
          const admitted: { at: number; cost: number }[] = []
          for (const [pause, cost] of calls) {
            clock.time += pause
            const limiter = new RateLimiter({
              provider,
              key: 'api',
              limit: 10,
              window: 1_000,
              burst: 4,
            })
            if ((await limiter.consume({ cost })).allowed) admitted.push({ at: clock.time, cost })
          }
          for (const { at } of admitted) {
            const within = admitted.filter((each) => each.at >= at && each.at < at + 1_000)
            expect(within.reduce((sum, { cost }) => sum + cost, 0)).toBeLessThanOrEqual(14)
          }
        },
      ),
      { numRuns: 50 },
    )
  })

  test('a peek spends nothing and says when the call would be allowed', async () => {
    const { clock, limiter, provider } = limiterAt()
    await limiter.consume({ cost: 8 })
    expect(await limiter.peek({ cost: 2 })).toMatchObject({ allowed: true, retryAfter: 0 })
    const { allowed, retryAfter } = await limiter.peek({ cost: 5 })
    expect({ allowed, retryAfter }).toEqual({ allowed: false, retryAfter: 300 })
    clock.time += retryAfter
    const fresh = new RateLimiter({ provider, key: 'api', limit: 10, window: 1_000 })
    expect(await fresh.consume({ cost: 5 })).toMatchObject({ allowed: true, remaining: 0 })
  })

  test('limits each key by itself', async () => {
    const { limiter } = limiterAt({ limit: 1 })
    expect((await limiter.consume({ key: 'a' })).allowed).toBe(true)
    expect((await limiter.consume({ key: 'b' })).allowed).toBe(true)
    expect((await limiter.consume({ key: 'a' })).allowed).toBe(false)
    expect((await limiter.consume()).allowed).toBe(true)
  })
})

describe('several rules', () => {
  const rules = [
    { name: 'burst', limit: 2, window: 1_000 },
    { name: 'daily', limit: 3, window: 86_400_000 },
  ]

  test('are one decision: what one refuses, the other does not charge', async () => {
    const { clock, limiter } = limiterAt({ rules })
    await limiter.consume()
    await limiter.consume()
    expect(await limiter.consume()).toMatchObject({ allowed: false, rule: 'burst' })
    clock.time += 1_000
    expect(await limiter.peek()).toMatchObject({ remaining: 1, rule: 'daily' })
  })

  test('each say how they stand, whoever refuses; a refusal that is known without the store too', async () => {
    const { limiter } = limiterAt({ rules })
    await limiter.consume({ cost: 2 })
    for (const _asked of ['the store', 'nobody']) {
      const { standings } = await limiter.consume()
      expect(standings).toMatchObject([
        { rule: 'burst', remaining: 0, retryAfter: expect.any(Number) },
        { rule: 'daily', remaining: 1, retryAfter: 0 },
      ])
      expect(standings[0]?.retryAfter).toBeGreaterThan(490)
    }
  })

  test('answer for the rule that refuses longest', async () => {
    const { limiter } = limiterAt({
      rules: [...rules, { name: 'hourly', limit: 2, window: 3_600_000 }],
    })
    await limiter.consume({ cost: 2 })
    expect(await limiter.consume()).toMatchObject({ rule: 'hourly', retryAfter: 1_800_000 })
  })
})

test('what is known to be exhausted is refused without asking the store', async () => {
  let asked = 0
  const memory = new MemoryAdapter()
  const provider: RateLimitProvider = {
    deadline: memory.deadline,
    onEvent: undefined,
    rates: {
      consume: (request) => {
        asked++
        return memory.rates.consume(request)
      },
      reset: (...args) => memory.rates.reset(...args),
    },
  }
  const limiter = new RateLimiter({ provider, key: 'k', limit: 1, window: 60_000 })
  await limiter.consume()
  await limiter.consume()
  expect(asked).toBe(2)
  expect((await limiter.consume()).allowed).toBe(false)
  expect(asked).toBe(2)
  await limiter.reset()
  expect((await limiter.consume()).allowed).toBe(true)
})

test('what another process resets is asked for again within a second', async () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  try {
    const { limiter, provider } = limiterAt({ limit: 1, window: 60_000 })
    await limiter.consume()
    expect((await limiter.consume()).allowed).toBe(false)
    await new RateLimiter({ provider, key: 'api', limit: 1, window: 60_000 }).reset()
    vi.advanceTimersByTime(999)
    expect(await limiter.consume()).toMatchObject({ allowed: false, retryAfter: 59_001 })
    vi.advanceTimersByTime(1)
    expect((await limiter.consume()).allowed).toBe(true)
  } finally {
    vi.useRealTimers()
  }
})

test('a refusal that is known says nothing of a larger cost: the store says when it fits', async () => {
  const { limiter } = limiterAt()
  await limiter.consume({ cost: 10 })
  expect((await limiter.consume({ cost: 1 })).retryAfter).toBe(100)
  expect((await limiter.consume({ cost: 5 })).retryAfter).toBe(500)
})

describe('a reservation', () => {
  test('spends nothing when it is let go, and its units once when it is spent', async () => {
    const { limiter } = limiterAt()
    const failed = await limiter.reserve({ cost: 4 })
    expect(failed).toMatchObject({ allowed: true, remaining: 10 })
    expect(await limiter.peek()).toMatchObject({ remaining: 10 })
    await failed.spend()
    await failed.spend()
    failed.letGo()
    expect(await limiter.peek()).toMatchObject({ remaining: 6 })
    const succeeded = await limiter.reserve({ cost: 6 })
    succeeded.letGo()
    await succeeded.spend()
    expect(await limiter.peek()).toMatchObject({ remaining: 6 })
  })

  test('keeps others out while it is open, however many come at once', async () => {
    const { limiter } = limiterAt({ limit: 3 })
    const all = await Promise.all(Array.from({ length: 20 }, () => limiter.reserve()))
    const admitted = all.filter(({ allowed }) => allowed)
    expect(admitted).toHaveLength(3)
    expect((await limiter.reserve()).retryAfter).toBeGreaterThan(0)
    expect((await limiter.reserve({ key: 'somebody else' })).allowed).toBe(true)
    admitted[0]?.letGo()
    const next = await limiter.reserve()
    expect(next.allowed).toBe(true)
    await Promise.all([admitted[1], admitted[2], next].map((each) => each?.spend()))
    expect(await limiter.reserve()).toMatchObject({ allowed: false, remaining: 0 })
  })

  test('that is being spent is counted once by whoever asks meanwhile, whichever the store hears first', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), fc.integer({ min: 2, max: 6 }), async (s, limit) => {
        const memory = new MemoryAdapter()
        const provider: RateLimitProvider = {
          deadline: memory.deadline,
          onEvent: undefined,
          rates: {
            // The store decides when it hears of a call; the answer comes later, and in any order.
            consume: async (request) => {
              await s.schedule(Promise.resolve(), 'heard')
              const reply = await memory.rates.consume(request)
              await s.schedule(Promise.resolve(), 'answered')
              return reply
            },
            reset: (...args) => memory.rates.reset(...args),
          },
        }
        const limiter = new RateLimiter({ provider, key: 'k', limit, window: 60_000 })
        let admitted = 0
        const guess = async () => {
          const attempt = await limiter.reserve()
          if (!attempt.allowed) return
          admitted++
          await attempt.spend()
        }
        // One after the other, as many as there are units: nobody may be refused.
        const inTurn = (async () => {
          for (let at = 0; at < limit; at++) await guess()
        })()
        await s.waitFor(inTurn)
        expect(admitted).toBe(limit)
        await s.waitFor(Promise.all([guess(), guess()]))
        expect(admitted).toBe(limit)
        // All at once: never more than there are units.
        const fresh = new RateLimiter({ provider, key: 'other', limit, window: 60_000 })
        const all = s.waitFor(
          Promise.all(
            Array.from({ length: 2 * limit }, async () => {
              const attempt = await fresh.reserve()
              if (attempt.allowed) await attempt.spend()
              return attempt.allowed
            }),
          ),
        )
        expect((await all).filter(Boolean).length).toBeLessThanOrEqual(limit)
      }),
      { numRuns: 100 },
    )
  })

  test('that is refused holds nothing', async () => {
    const { clock, limiter } = limiterAt({ limit: 1 })
    await limiter.consume()
    const refused = await limiter.reserve()
    expect(refused).toMatchObject({ allowed: false, retryAfter: 1_000 })
    clock.time += 1_000
    await refused.spend()
    expect((await limiter.reserve()).allowed).toBe(true)
  })
})

test('a refusal that was on its way when the key was reset does not stand', async () => {
  const memory = new MemoryAdapter()
  const gate = deferred()
  const provider: RateLimitProvider = {
    deadline: memory.deadline,
    onEvent: undefined,
    rates: {
      consume: (request) => memory.rates.consume(request),
      reset: async (...args) => {
        await memory.rates.reset(...args)
        await gate.promise
      },
    },
  }
  const limiter = new RateLimiter({ provider, key: 'k', limit: 1, window: 60_000 })
  const rival = new RateLimiter({ provider: memory, key: 'k', limit: 1, window: 60_000 })
  await limiter.consume()
  const reset = limiter.reset()
  await rival.consume()
  expect((await limiter.consume()).allowed).toBe(false)
  await memory.rates.reset('rate:1:k', [{ name: '1-in-60000ms', interval: 6e7, burst: 1 }])
  gate.resolve()
  await reset
  expect((await limiter.consume()).allowed).toBe(true)
})

test('in shadow mode everybody passes, and the answer says what would have been', async () => {
  const { limiter } = limiterAt({ limit: 1, mode: 'shadow' })
  await limiter.consume()
  expect(await limiter.consume()).toMatchObject({ allowed: true, remaining: 0, retryAfter: 1_000 })
})

describe('waiting', () => {
  test('is in turn, and each caller gets in when its unit is back', async () => {
    const limiter = new RateLimiter({ key: 'wait-in-turn', limit: 100, window: 1_000, burst: 1 })
    const order: number[] = []
    await Promise.all(
      [0, 1, 2, 3].map(async (caller) => {
        await limiter.wait()
        order.push(caller)
      }),
    )
    expect(order).toEqual([0, 1, 2, 3])
  })

  test('that would take longer than the timeout is refused at once', async () => {
    const limiter = new RateLimiter({ key: 'wait-too-long', limit: 1, window: 60_000 })
    await limiter.consume()
    await expect(limiter.wait({ timeout: 1_000 })).rejects.toMatchObject({
      code: 'ERR_HOLDFAST_RATE_LIMITED',
    })
  })

  test('is for no more callers than `maxWaiters`, and one that leaves makes room for another', async () => {
    const limiter = new RateLimiter({ key: 'full', limit: 1, window: 60_000, maxWaiters: 2 })
    await limiter.consume()
    const controllers = Array.from({ length: 3 }, () => new AbortController())
    const wait = (at: number) => limiter.wait({ signal: controllers[at]?.signal })
    const waiting = [wait(0), wait(1)]
    await expect(limiter.wait()).rejects.toThrow(
      "2 callers of this process wait for 'full' already (`maxWaiters`)",
    )
    await expect(limiter.wait({ key: 'somebody else' })).resolves.toMatchObject({ allowed: true })
    controllers[1]?.abort()
    await expect(waiting[1]).rejects.toSatisfy(isAbortedError)
    waiting.push(wait(2))
    await expect(limiter.wait()).rejects.toSatisfy(isQueueFullError)
    for (const each of controllers) each.abort()
    for (const each of waiting) await expect(each).rejects.toSatisfy(isAbortedError)
  })

  test('is nothing for who tries once: those who wait before do not keep it', async () => {
    const limiter = new RateLimiter({ key: 'try', limit: 1, window: 60_000 })
    await limiter.consume()
    const controller = new AbortController()
    const waiting = limiter.wait({ signal: controller.signal })
    await expect(limiter.wait({ timeout: 0 })).rejects.toMatchObject({
      code: 'ERR_HOLDFAST_RATE_LIMITED',
    })
    controller.abort()
    await expect(waiting).rejects.toSatisfy(isAbortedError)
  })

  test('ends with the signal, and lets the next one go on', async () => {
    const limiter = new RateLimiter({ key: 'wait-aborted', limit: 20, window: 1_000, burst: 1 })
    await limiter.consume()
    const controller = new AbortController()
    const given = limiter.wait({ signal: controller.signal })
    const next = limiter.wait()
    controller.abort()
    await expect(given).rejects.toMatchObject({ code: 'ERR_HOLDFAST_ABORTED' })
    expect((await next).allowed).toBe(true)
  })
})

describe('with the store away', () => {
  const broken: RateLimitProvider = {
    deadline: 1_000,
    onEvent: undefined,
    rates: {
      consume: () => Promise.reject(new Error('gone')),
      reset: () => Promise.reject(new Error('gone')),
    },
  }
  const limiterWith = (onStoreError?: 'deny' | 'allow' | 'local') =>
    new RateLimiter({
      provider: broken,
      key: `broken-${onStoreError}`,
      limit: 1,
      window: 60_000,
      onStoreError,
    })

  test('a call throws, unless it was said what it should answer', async () => {
    await expect(limiterWith().consume()).rejects.toMatchObject({
      code: 'ERR_HOLDFAST_STORE_UNAVAILABLE',
    })
    expect((await limiterWith('deny').consume()).allowed).toBe(false)
    expect((await limiterWith('allow').consume()).allowed).toBe(true)
  })

  test('`local` limits within this process', async () => {
    const limiter = limiterWith('local')
    expect((await limiter.consume()).allowed).toBe(true)
    expect((await limiter.consume()).allowed).toBe(false)
  })

  test.each(['deny', 'local'] as const)(
    'what `%s` refuses meanwhile is not refused any more once it is back',
    async (onStoreError) => {
      const provider = faultyAdapter()
      const key = `back-${onStoreError}`
      const limiter = new RateLimiter({ provider, key, limit: 1, window: 3_600_000, onStoreError })
      provider.always('rates.consume', fails(new Error('gone')))
      await limiter.consume()
      expect((await limiter.consume()).allowed).toBe(false)
      provider.always('rates.consume', undefined)
      expect((await limiter.consume()).allowed).toBe(true)
    },
  )
})

test('a task is charged for each attempt, and refused with a RateLimitedError', async () => {
  await using s = scope()
  const rateLimit = new RateLimiter({ key: 'task', limit: 2, window: 60_000 })
  expect((await s.task(() => 1, { rateLimit }))[1]).toBe(1)
  expect((await s.task(() => 2, { rateLimit }))[1]).toBe(2)
  const [error] = await s.task(() => 3, { rateLimit })
  expect(error).toMatchObject({ code: 'ERR_HOLDFAST_RATE_LIMITED' })
  expect((error as RateLimitedError).retryAfter).toBeGreaterThan(20_000)
})

test.each([
  [{ limit: 0 }, '`limit`'],
  [{ limit: 1.5 }, '`limit`'],
  [{ window: Number.NaN }, '`window`'],
  [{ burst: -1 }, '`burst`'],
  [{ key: '' }, '`key`'],
  [{ mode: 'off' as never }, '`mode`'],
  [{ mode: null as never }, '`mode`'],
  [{ burst: null as never }, '`burst`'],
  [{ maxWaiters: 0 }, '`maxWaiters`'],
  [{ maxWaiters: null as never }, '`maxWaiters`'],
  [{ rules: [] }, 'at least one rule'],
  [{ rules: null as never }, '`rules`'],
  [{ rules: { limit: 1, window: 1 } as never }, '`rules`'],
  [
    {
      rules: [
        { limit: 1, window: 1 },
        { limit: 1, window: 1 },
      ],
    },
    'different names',
  ],
])('the options %o are refused', (options, message) => {
  expect(() => limiterAt(options)).toThrow(message)
})

test.each([null, 'tenant-1', 7])('the options %s of a call are refused', (options) => {
  const { limiter } = limiterAt()
  expect(() => limiter.consume(options as never)).toThrow('Expected `options`')
})

test('a cost that could never be allowed is refused before the store is asked', () => {
  const { limiter } = limiterAt()
  expect(() => limiter.consume({ cost: 11 })).toThrow('at most the burst of 10')
})
