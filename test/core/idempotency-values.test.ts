// The values of idempotent calls: what is replayed is what was answered, as far as JSON can say it.

import { describe, expect, test } from 'vitest'
import { Idempotency, isNotReplayableError, MemoryAdapter } from '../../src/index.ts'

/** What the second caller of a function gets. */
async function replayOf(value: unknown, maxBytes?: number) {
  const idempotency = new Idempotency({ provider: new MemoryAdapter(), maxBytes })
  let runs = 0
  const work = () => {
    runs++
    return value
  }
  const first = await idempotency.run('k', work)
  expect(first.value).toBe(value)
  const second = await idempotency.run('k', work).catch((error: unknown) => ({ error }))
  expect(runs).toBe(1)
  return second
}

describe('a value', () => {
  test.each([
    ['an object', { a: [1, 'two', null, { three: true }] }],
    ['an array', [1, 2, 3]],
    ['null', null],
    ['undefined', undefined],
    ['false', false],
    ['zero', 0],
    ['an empty string', ''],
    ['a string of other scripts', 'Grüße 😀 \u0000 \u2028'],
  ])('that is %s is replayed as it was', async (_name, value) => {
    const replayed = await replayOf(value)
    expect(replayed).toMatchObject({ replayed: true })
    expect(replayed).toHaveProperty('value', value)
  })

  test('with a key named __proto__ comes back as data, and changes no prototype', async () => {
    const value: unknown = JSON.parse('{"__proto__":{"admin":true},"constructor":{"name":"x"}}')
    const { value: replayed } = (await replayOf(value)) as { value: Record<string, unknown> }
    expect(JSON.stringify(replayed)).toBe(JSON.stringify(value))
    expect(Object.hasOwn(replayed, '__proto__')).toBe(true)
    expect(replayed.admin).toBeUndefined()
    expect(({} as { admin?: boolean }).admin).toBeUndefined()
  })

  test('that JSON writes otherwise comes back as JSON has it', async () => {
    expect(await replayOf({ at: new Date(0), gone: undefined, nan: Number.NaN })).toMatchObject({
      value: { at: '1970-01-01T00:00:00.000Z', nan: null },
    })
  })
})

describe('a value that cannot be replayed', () => {
  const cycle: Record<string, unknown> = {}
  cycle.self = cycle

  test.each([
    ['a bigint', 1n],
    ['a cycle', cycle],
    [
      'something whose toJSON throws',
      {
        toJSON: () => {
          throw new Error('no')
        },
      },
    ],
  ])('because it holds %s is answered once, and never executed again', async (_name, value) => {
    const second = await replayOf(value)
    expect(second).toHaveProperty('error')
    expect((second as { error: Error }).error).toSatisfy(isNotReplayableError)
    expect((second as { error: Error }).error.message).toBe(
      "'k' was executed, but its value cannot be written as JSON",
    )
  })

  test('because it is too large is answered once, and never executed again', async () => {
    const second = await replayOf('x'.repeat(1_000), 500)
    expect((second as { error: Error }).error).toSatisfy(isNotReplayableError)
    expect((second as { error: Error }).error.message).toMatch(/larger than 500 bytes/)
  })

  test('is measured in bytes, not in characters', async () => {
    expect(await replayOf('é'.repeat(300), 500)).toHaveProperty('error')
    expect(await replayOf('e'.repeat(300), 500)).toHaveProperty('value')
  })
})
