// Errors: one class for each thing that a caller may handle differently, told apart also across copies of the package.

import { describe, expect, test, vi } from 'vitest'
import * as guards from '../../src/core/error-guards.ts'
import * as errors from '../../src/core/errors.ts'

type ErrorClass = new (message: string, details?: object) => errors.HoldfastError

const classes = Object.entries(errors as unknown as Record<string, ErrorClass>).filter(
  ([name]) => name !== 'HoldfastError',
)
const details = {
  key: 'orders:42',
  retryAfter: 250,
  outcome: 'unknown',
  cause: 'the cause',
  current: { token: 2, sequence: 7 },
  found: 1,
  expected: 2,
  standings: [],
}

/** The guard of a class, by their names. */
function guardOf(name: string): (error: unknown) => boolean {
  return (guards as unknown as Record<string, (error: unknown) => boolean>)[`is${name}`] as never
}

test('there is a guard for every class, and a class for every guard', () => {
  const guarded = Object.keys(guards).map((name) => name.slice(2))
  expect(guarded.toSorted()).toEqual([...classes.map(([name]) => name), 'HoldfastError'].toSorted())
})

test('the package exports them all', async () => {
  const exported = await import('../../src/index.ts')
  for (const name of [...Object.keys(errors), ...Object.keys(guards)]) {
    expect(exported).toHaveProperty(name)
  }
})

describe.each(classes)('%s', (name, Class) => {
  const error = new Class('what happened', details)

  test('is an Error with a name, a message, a key and a cause', () => {
    expect(error).toBeInstanceOf(Error)
    expect(error).toBeInstanceOf(errors.HoldfastError)
    expect(error.name).toBe(name)
    expect(error.message).toBe('what happened')
    expect(error.key).toBe('orders:42')
    expect(error.cause).toBe('the cause')
    expect(error.stack).toContain(`${name}: what happened`)
  })

  test('has a code made of its name', () => {
    const words = name.replace(/Error$/, '').replace(/(?!^)([A-Z])/g, '_$1')
    expect(error.code).toBe(`ERR_HOLDFAST_${words.toUpperCase()}`)
  })

  test('is known by its guard and by no other', () => {
    expect(guardOf(name)(error)).toBe(true)
    expect(guards.isHoldfastError(error)).toBe(true)
    for (const [other] of classes) expect(guardOf(other)(error)).toBe(other === name)
  })

  test('is known across copies of the package', async () => {
    vi.resetModules()
    const copy = (await import('../../src/core/errors.ts')) as unknown as Record<string, ErrorClass>
    const Other = copy[name] as ErrorClass
    expect(Other).not.toBe(Class)
    const theirs = new Other('from another copy', details)
    expect(theirs).not.toBeInstanceOf(Class)
    expect(guardOf(name)(theirs)).toBe(true)
  })

  test('may have nothing but a message', () => {
    const { retryAfter, outcome, current } = details
    const bare = new Class('what happened', { retryAfter, outcome, current })
    expect(bare.key).toBeUndefined()
    expect('cause' in bare).toBe(false)
  })

  test('shows nothing but what it is for', () => {
    expect(Object.keys(new Class('x', details)).filter((key) => !(key in details))).toEqual([
      'code',
    ])
  })
})

test.each([undefined, null, 'ERR_HOLDFAST_LEASE_LOST', 7, {}, new Error('x')])(
  '%s is none of ours',
  (other) => {
    expect(guards.isHoldfastError(other)).toBe(false)
    expect(guards.isLeaseLostError(other)).toBe(false)
  },
)

test('a code alone does not make something ours', () => {
  const foreign = Object.assign(new Error('x'), { code: 'ERR_HOLDFAST_LEASE_LOST' })
  expect(guards.isLeaseLostError(foreign)).toBe(false)
})

test('what an error says beside its message', () => {
  expect(new errors.InProgressError('x', { retryAfter: 250 }).retryAfter).toBe(250)
  expect(new errors.AcquireTimeoutError('x').retryAfter).toBeGreaterThan(0)
  expect(new errors.StoreUnavailableError('x', { outcome: 'none' }).outcome).toBe('none')
})
