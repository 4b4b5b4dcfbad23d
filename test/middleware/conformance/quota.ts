// What an answer says of quotas, as an independent parser of structured fields reads it.

import { type Item, parseList } from 'structured-headers'
import { expect } from 'vitest'
import type { Answered } from './client.ts'

export interface Quota {
  /** The members of `RateLimit-Policy`. */
  readonly policies: readonly { name: unknown; q: unknown; w?: unknown; qu?: unknown }[]
  /** The members of `RateLimit`. */
  readonly left: readonly { name: unknown; r: unknown; t?: unknown }[]
}

/** Both fields of an answer; empty where it has none. */
export function quotaOf(answer: Answered): Quota {
  const read = <P extends string>(field: string, names: readonly P[]) =>
    parseList(answer.headers[field] ?? '').map((member) => {
      const [name, parameters] = member as Item
      const named = names.flatMap((each) =>
        parameters.has(each) ? [[each, parameters.get(each)] as const] : [],
      )
      expect([...parameters.keys()].filter((each) => !names.includes(each as P))).toEqual([])
      return { name, ...Object.fromEntries(named) }
    })
  return {
    policies: read('ratelimit-policy', ['q', 'w', 'qu']) as unknown as Quota['policies'],
    left: read('ratelimit', ['r', 't']) as unknown as Quota['left'],
  }
}

/** Throws unless the answer refuses for these policies, and its Retry-After suffices for each. */
export function expectViolated(answer: Answered, ...names: string[]): void {
  expect(answer.json()).toMatchObject({ 'violated-policies': names })
  const retryAfter = Number(answer.headers['retry-after'])
  expect(retryAfter).toBeGreaterThan(0)
  for (const { t } of quotaOf(answer).left) {
    if (t === undefined) continue
    expect(t).toBeGreaterThan(0)
    expect(retryAfter).toBeGreaterThanOrEqual(t as number)
  }
}
