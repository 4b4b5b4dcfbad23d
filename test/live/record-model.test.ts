// Records in Redis, in PostgreSQL and in memory are one state machine: whatever is asked of them, they answer the same.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Takeover } from '../../src/core/ports.ts'
import { type Adapter, MemoryAdapter } from '../../src/index.ts'
import { serverStores } from '../support/server-stores.ts'

const stores = serverStores('record_model')

type Step =
  | {
      readonly op: 'begin'
      readonly id: string
      readonly fingerprint: string | undefined
      readonly takeover: Takeover
    }
  | { readonly op: 'commit' | 'drop' | 'renew' | 'lapse' | 'put' | 'remove'; readonly id: string }
  | { readonly op: 'commit' | 'put'; readonly id: string; readonly freshFor: number }

const id = fc.constantFrom('a', 'b', 'c')
const takeover = fc.constantFrom<Takeover>('never', 'rerun', 'recover')
const fingerprint = fc.constantFrom('one', 'one', 'two', undefined)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ op: fc.constant('begin' as const), id, fingerprint, takeover }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constantFrom('commit' as const, 'drop' as const, 'renew' as const, 'lapse' as const),
      id,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constantFrom('commit' as const, 'put' as const),
      id,
      freshFor: fc.constantFrom(1, 60_000),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ op: fc.constantFrom('put' as const, 'remove' as const), id }),
  },
)

const pass = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** Waits until what was kept to be fresh for a moment is so no more. */
async function stale(asked: Step): Promise<void> {
  if ('freshFor' in asked && asked.freshFor === 1) await pass(3)
}

/** What a store answers, without its times and tokens. */
async function answer({ records }: Adapter, record: string, asked: Step): Promise<unknown> {
  const meta = { owner: asked.id }
  const freshFor = 'freshFor' in asked ? asked.freshFor : undefined
  const outcome = { record, value: `by ${asked.id}`, ttl: 120_000, freshFor, meta }
  switch (asked.op) {
    case 'begin': {
      const { op: _op, ...request } = asked
      const reply = await records.begin({ ...request, record, lease: 60_000, ttl: 120_000, meta })
      const { state } = reply
      if (state === 'mismatch') return state
      const standing = 'stale' in reply ? reply.stale?.value : undefined
      if (state === 'claimed') {
        expect(reply.token).toBeGreaterThan(0)
        const { lost } = reply
        return {
          state,
          standing,
          lost: lost && { fingerprint: lost.fingerprint, owner: lost.meta.owner },
        }
      }
      const { owner } = reply.meta
      if (state === 'running') return { state, standing, owner, waits: reply.retryAfter > 0 }
      if (state === 'lapsed') return { state, owner, fingerprint: reply.fingerprint }
      return { state, owner, value: reply.value }
    }
    case 'commit': {
      const kept = await records.commit({ ...outcome, id: asked.id })
      await stale(asked)
      return kept
    }
    case 'put':
      await records.put(outcome)
      await stale(asked)
      return undefined
    case 'remove':
      return records.remove(record)
    case 'drop':
      return records.drop(record, asked.id)
    case 'renew':
      return records.renew(record, asked.id, 60_000)
    case 'lapse': {
      const lapsed = await records.renew(record, asked.id, 0)
      // A lease of no time is over when time has passed at all.
      if (lapsed) await pass(1)
      return lapsed
    }
  }
}

test.each(Object.entries(stores))(
  'a record answers the same in memory and on %s',
  async (_server, store) => {
    let runs = 0
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 25 }), async (steps) => {
        const memory = new MemoryAdapter()
        const record = `record-${runs++}`
        for (const [at, asked] of steps.entries()) {
          const expected = await answer(memory, record, asked)
          const actual = await answer(store, record, asked)
          expect(actual, `step ${at}: ${JSON.stringify(asked)}`).toEqual(expected)
        }
      }),
      { numRuns: 300 },
    )
  },
  60_000,
)
