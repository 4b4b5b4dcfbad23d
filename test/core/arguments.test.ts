// Arguments: whatever is not of the documented form is refused before any store call, in one form of words.

import { describe, expect, test } from 'vitest'
import {
  Checkpointer,
  Idempotency,
  type IdempotencyOptions,
  isInvalidArgumentError,
  LeaderElection,
  Lock,
  type LockOptions,
  type RunOptions,
  Semaphore,
  type SemaphoreOptions,
} from '../../src/index.ts'
import { faultyAdapter } from '../support/faulty-adapter.ts'

const notDurations = [Number.NaN, -1, 0, 1.5, 2 ** 53, Number.POSITIVE_INFINITY, '10', null, {}, 1n]
const notCounts = [Number.NaN, -1, 0, 1.5, 2 ** 53, Number.POSITIVE_INFINITY, '10', null, 1_000_001]
const notTimeouts = [Number.NaN, -1, 1.5, 2 ** 53, Number.NEGATIVE_INFINITY, '10', null, {}]
const notNames = ['', '\ud800', 'a\udfffb', 'x'.repeat(65_537), '😀'.repeat(16_385), 7, null, {}]
const names = [
  'two\nlines',
  '{braces}',
  '}',
  'a NUL \u0000',
  '__proto__',
  'constructor',
  '%',
  ':',
  ' ',
  '😀',
  'x'.repeat(10_000),
  'x'.repeat(65_536),
]
const notBooleans = [0, 1, 'true', null]
const notSignals = [null, {}, 'signal', new EventTarget()]
const notProviders = [null, {}, 'redis://localhost', { grants: {} }, 7]

function lockWith(options: Record<string, unknown>): Lock {
  return new Lock(undefined, options as LockOptions)
}

function semaphoreWith(options: Record<string, unknown>, limit: unknown = 2): Semaphore {
  return new Semaphore(limit as number, options as SemaphoreOptions)
}

function idempotencyWith(options: Record<string, unknown>): Idempotency {
  return new Idempotency(options as IdempotencyOptions)
}

describe('a refusal', () => {
  test('says what was expected and what was got', () => {
    expect(() => lockWith({ ttl: Number.NaN })).toThrow(
      'Expected `ttl` to be a positive integer of milliseconds (ten years at most), got NaN',
    )
    expect(() => lockWith({ ttl: '10' })).toThrow(/got "10"$/)
    expect(() => lockWith({ maxWaiters: 1.5 })).toThrow(
      'Expected `maxWaiters` to be an integer from 1 to 1000000, got 1.5',
    )
    expect(() => lockWith({ key: '' })).toThrow('Expected `key` to be a non-empty string, got ""')
    expect(() => lockWith({ key: '\ud800' })).toThrow(/no lone surrogates/)
    expect(() => lockWith({ autoExtend: [] })).toThrow('to be true or false, got an array')
    expect(() => new Lock((() => {}) as never)).toThrow('to be an AbortSignal, got a function')
  })

  test('does not repeat a long value', () => {
    const thrown = (() => {
      try {
        lockWith({ ttl: 'x'.repeat(100_000) })
      } catch (error) {
        return error as Error
      }
    })()
    expect(thrown?.message.length).toBeLessThan(300)
  })
})

describe('a Lock refuses', () => {
  test.each(notDurations)('a ttl of %s', (ttl) => {
    expect(() => lockWith({ ttl })).toThrow(expect.toSatisfy(isInvalidArgumentError))
  })

  test.each(notDurations)('a maxHold of %s', (maxHold) => {
    expect(() => lockWith({ maxHold })).toThrow(expect.toSatisfy(isInvalidArgumentError))
  })

  test.each(notCounts)('a maxWaiters of %s', (maxWaiters) => {
    expect(() => lockWith({ maxWaiters })).toThrow(expect.toSatisfy(isInvalidArgumentError))
  })

  test.each(notNames.map((name) => [String(name).slice(0, 20), name]))('the key %s', (_, key) => {
    for (const option of ['key', 'name', 'owner']) {
      expect(() => lockWith({ [option]: key })).toThrow(expect.toSatisfy(isInvalidArgumentError))
    }
  })

  test.each(notBooleans)('%s for a switch', (value) => {
    for (const option of ['autoExtend', 'allowMultipleReaders']) {
      expect(() => lockWith({ [option]: value })).toThrow(expect.toSatisfy(isInvalidArgumentError))
    }
  })

  test.each(notProviders)('the provider %s', (provider) => {
    expect(() => lockWith({ provider, key: 'k' })).toThrow(expect.toSatisfy(isInvalidArgumentError))
  })

  test.each(notSignals)('the signal %s', (signal) => {
    expect(() => new Lock(signal as never)).toThrow(expect.toSatisfy(isInvalidArgumentError))
  })

  test.each([null, 'k', 7])('the options %s', (options) => {
    expect(() => new Lock(undefined, options as never)).toThrow(
      expect.toSatisfy(isInvalidArgumentError),
    )
  })

  test('a provider without a key: what is to be locked?', () => {
    expect(() => lockWith({ provider: faultyAdapter() })).toThrow(/^Expected `key` beside/)
  })
})

describe('an acquire refuses', () => {
  const provider = faultyAdapter()
  const lock = lockWith({ provider, key: 'k', allowMultipleReaders: true })
  const semaphore = semaphoreWith({ provider, key: 'k' })
  const acquires = [
    (options: unknown) => lock.acquire(options as never),
    (options: unknown) => lock.read(options as never),
    (options: unknown) => lock.write(options as never),
    (options: unknown) => lock.run(() => {}, options as never),
    (options: unknown) => semaphore.acquire(options as never),
    (options: unknown) => semaphore.run(() => {}, options as never),
  ]

  test.each(notTimeouts)('a timeout of %s, without a store call', async (timeout) => {
    for (const acquire of acquires) {
      await expect(acquire({ timeout })).rejects.toSatisfy(isInvalidArgumentError)
    }
    expect(provider.calls).toEqual([])
  })

  test.each(notSignals)('the signal %s, without a store call', async (signal) => {
    for (const acquire of acquires) {
      await expect(acquire({ signal })).rejects.toSatisfy(isInvalidArgumentError)
    }
    expect(provider.calls).toEqual([])
  })

  test.each([null, 'soon', 7])('the options %s, without a store call', async (options) => {
    for (const acquire of acquires) {
      await expect(acquire(options)).rejects.toSatisfy(isInvalidArgumentError)
    }
    expect(provider.calls).toEqual([])
  })

  test.each([0, -1, 1.5, 3, Number.NaN, '1', null])('%s of 2 permits', async (permits) => {
    await expect(semaphore.acquire({ permits } as never)).rejects.toSatisfy(isInvalidArgumentError)
    await expect(semaphore.tryAcquire({ permits } as never)).rejects.toSatisfy(
      isInvalidArgumentError,
    )
    expect(provider.calls).toEqual([])
  })

  test('a run without a function, without a store call', async () => {
    await expect(lock.run(undefined as never)).rejects.toSatisfy(isInvalidArgumentError)
    await expect(semaphore.run('work' as never)).rejects.toSatisfy(isInvalidArgumentError)
    expect(provider.calls).toEqual([])
  })
})

describe('a Semaphore refuses', () => {
  test.each([...notCounts, undefined])('a limit of %s', (limit) => {
    expect(() => new Semaphore(limit as number)).toThrow(expect.toSatisfy(isInvalidArgumentError))
  })

  test.each(notDurations)('a ttl of %s', (ttl) => {
    expect(() => semaphoreWith({ ttl })).toThrow(expect.toSatisfy(isInvalidArgumentError))
  })

  test.each(notCounts)('a maxWaiters of %s', (maxWaiters) => {
    expect(() => semaphoreWith({ maxWaiters })).toThrow(expect.toSatisfy(isInvalidArgumentError))
  })

  test('a provider without a key: what is to be limited?', () => {
    expect(() => semaphoreWith({ provider: faultyAdapter() })).toThrow(/^Expected `key` beside/)
  })
})

describe('an Idempotency refuses', () => {
  test.each(notDurations)('a ttl or lease of %s', (value) => {
    for (const option of ['ttl', 'lease']) {
      expect(() => idempotencyWith({ [option]: value })).toThrow(
        expect.toSatisfy(isInvalidArgumentError),
      )
    }
  })

  test.each([Number.NaN, -1, 0, 1.5, '10', null])('maxBytes of %s', (maxBytes) => {
    expect(() => idempotencyWith({ maxBytes })).toThrow(expect.toSatisfy(isInvalidArgumentError))
  })

  test.each([null, {}, 'redis://localhost', 7])('the provider %s', (provider) => {
    expect(() => idempotencyWith({ provider })).toThrow(expect.toSatisfy(isInvalidArgumentError))
  })

  test('a recover that is no function, and a takeover that is no switch', () => {
    expect(() => idempotencyWith({ recover: {} })).toThrow(/`recover` to be a function/)
    expect(() => idempotencyWith({ takeover: 'yes' })).toThrow(/`takeover` to be true or false/)
  })

  test.each(notNames.map((name) => [String(name).slice(0, 20), name]))(
    'the key or fingerprint %s, without a store call',
    async (_, name) => {
      const provider = faultyAdapter()
      const idempotency = new Idempotency({ provider })
      const work = () => 'done'
      for (const call of [
        () => idempotency.run(name as string, work),
        () => idempotency.run('k', work, { fingerprint: name as string }),
        () => idempotency.resolve(name as string, { retry: true }),
      ]) {
        await expect(call()).rejects.toSatisfy(isInvalidArgumentError)
      }
      expect(provider.calls).toEqual([])
    },
  )

  test.each([
    { ttl: 0 },
    { ttl: null },
    { signal: {} },
    { signal: null },
    { wait: -1 },
    { wait: '1s' },
    { wait: null },
    { keep: null },
    { keep: 'nothing' },
    null,
    'options',
  ])('the run options %j, without a store call', async (options) => {
    const provider = faultyAdapter()
    const idempotency = new Idempotency({ provider })
    await expect(idempotency.run('k', () => {}, options as RunOptions)).rejects.toSatisfy(
      isInvalidArgumentError,
    )
    await expect(idempotency.run('k', 'work' as never)).rejects.toSatisfy(isInvalidArgumentError)
    expect(provider.calls).toEqual([])
  })
})

describe('legal are', () => {
  test.each(names.map((name) => [name.slice(0, 20), name]))('the name %j', async (_, name) => {
    const provider = faultyAdapter()
    const lock = lockWith({ provider, key: name, owner: name, name })
    const guard = await lock.acquire()
    expect(lock.key).toBe(name)
    expect((await lock.inspect()).holders[0]?.meta.owner).toBe(name)
    await guard.release()
    const idempotency = new Idempotency({ provider })
    await idempotency.run(name, () => 'done', { fingerprint: name })
    expect((await idempotency.run(name, () => 'again', { fingerprint: name })).replayed).toBe(true)
    const task = new Checkpointer(undefined, { provider, taskId: name, name })
    await task.run((run) => run.save(name))
    expect(await task.load()).toMatchObject({ taskId: name, state: name })
    const election = new LeaderElection(undefined, { provider, key: name, owner: name, name })
    expect(await election.run(() => election.leader())).toMatchObject({ owner: name })
  })

  test('names that differ, however little: they are different locks', async () => {
    const provider = faultyAdapter()
    for (const key of [...names, 'é', 'e\u0301', 'A', 'a']) {
      expect(await lockWith({ provider, key }).tryAcquire()).toBeDefined()
    }
  })

  test('options that are undefined: they are as absent', async () => {
    const lock = new Lock(undefined, {
      provider: undefined,
      key: undefined,
      ttl: undefined,
      owner: undefined,
      name: undefined,
      maxHold: undefined,
      maxWaiters: undefined,
      autoExtend: undefined,
      allowMultipleReaders: undefined,
    })
    expect((await lock.acquire({ timeout: undefined, signal: undefined })).held).toBe(true)
  })

  test('a ttl of one millisecond, and of ten years', () => {
    lockWith({ ttl: 1 })
    lockWith({ ttl: 315_360_000_000 })
    expect(() => lockWith({ ttl: 315_360_000_001 })).toThrow(
      expect.toSatisfy(isInvalidArgumentError),
    )
  })
})
