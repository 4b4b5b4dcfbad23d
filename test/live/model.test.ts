// The Redis scripts, the PostgreSQL functions and the memory store are one state machine: whatever is asked of them, they
// answer the same.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Adapter, MemoryAdapter } from '../../src/index.ts'
import { serverStores } from '../support/server-stores.ts'

const stores = serverStores('model')

const TTL = 60_000
const IDS = ['a', 'b', 'c', 'd', 'e', 'f']
/** Nobody listens, so that no message can come between two questions. */
const inbox = { id: 'model-inbox', listening: false }

interface Shape {
  readonly weight: number
  readonly capacity: number
  readonly exclusive: boolean
}

/** Locks, readers and writers, permits: never mixed on one resource. */
const shapes: Record<string, readonly Shape[]> = {
  lock: [{ weight: 1, capacity: 1, exclusive: true }],
  readWrite: [
    { weight: 1, capacity: 1_000_000, exclusive: false },
    { weight: 1_000_000, capacity: 1_000_000, exclusive: true },
  ],
  semaphore: [1, 2, 3].map((weight) => ({ weight, capacity: 3, exclusive: false })),
}

type Step =
  | { readonly op: 'acquire'; readonly id: string; readonly wait: boolean }
  | { readonly op: 'release' | 'renew'; readonly id: string }
  | { readonly op: 'beat' | 'inspect' }

const id = fc.constantFrom(...IDS)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      op: fc.constant('acquire' as const),
      id,
      wait: fc.boolean(),
    }),
  },
  { weight: 4, arbitrary: fc.record({ op: fc.constant('release' as const), id }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('renew' as const), id }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constantFrom('beat' as const, 'inspect' as const) }) },
)

/** What a store answers, without its times and tokens. */
async function answer(
  { grants }: Adapter,
  resource: string,
  kind: readonly Shape[],
  asked: Step,
  see: ReturnType<typeof tokens>,
): Promise<unknown> {
  switch (asked.op) {
    case 'acquire': {
      const { id: attempt, wait } = asked
      // An attempt asks for one thing, however often it asks.
      const shape = kind[IDS.indexOf(attempt) % kind.length] as Shape
      const reply = await grants.acquire({
        resource,
        id: attempt,
        ttl: TTL,
        wait,
        inbox,
        meta: { owner: attempt },
        ...shape,
      })
      if (reply.state === 'granted') {
        see(attempt, shape.exclusive, reply.token)
        return reply.state
      }
      const { state, waiters, arrival, hint } = reply
      return {
        state,
        waiters,
        arrived: arrival !== undefined,
        lapses: hint > 0,
        holder: reply.holder?.owner !== undefined,
      }
    }
    case 'release':
      return grants.release(resource, asked.id)
    case 'renew': {
      const token = await grants.renew(resource, asked.id, TTL)
      return token !== undefined && token > 0
    }
    case 'beat': {
      const { granted, unknown } = await grants.beat(resource, inbox, IDS)
      return { granted: [...granted].sort(), unknown: [...unknown].sort() }
    }
    case 'inspect': {
      const { holders, waiters } = await grants.inspect(resource)
      const holding = holders.map((each) => [each.id, each.weight, each.exclusive, each.meta.owner])
      return { holders: holding.sort(), waiters: waiters.map((each) => [each.id, each.weight]) }
    }
  }
}

/** Checks the tokens of one store: they never go back, and each exclusive grant has one of its own. */
function tokens(): (id: string, exclusive: boolean, token: number) => void {
  let last = 0
  const own = new Map<string, number>()
  return (attempt, exclusive, token) => {
    const known = own.get(attempt) === token
    if (exclusive && !known) expect(token).toBeGreaterThan(last)
    else expect(token).toBeGreaterThanOrEqual(known ? 1 : Math.max(last, 1))
    own.set(attempt, token)
    last = Math.max(last, token)
  }
}

let runs = 0

describe.each(Object.entries(stores))('in memory and on %s', (_server, store) => {
  test.each(Object.entries(shapes))(
    'a %s answers the same',
    async (name, kind) => {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
          const memory = new MemoryAdapter()
          const resource = `lock:${name}-${runs++}`
          const seen = [tokens(), tokens()] as const
          for (const [at, asked] of steps.entries()) {
            const expected = await answer(memory, resource, kind, asked, seen[0])
            const actual = await answer(store, resource, kind, asked, seen[1])
            expect(actual, `step ${at}: ${JSON.stringify(asked)}`).toEqual(expected)
          }
        }),
        { numRuns: 150 },
      )
    },
    60_000,
  )
})
