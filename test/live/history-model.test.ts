// Histories in Redis, in PostgreSQL and in memory are one state machine: whatever is asked of them, they answer the same.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Histories, HistoryEntry } from '../../src/core/ports.ts'
import { MemoryAdapter } from '../../src/index.ts'
import { serverStores } from '../support/server-stores.ts'

const stores = serverStores('history_model')

const TTL = 120_000

interface Step {
  readonly name: string
  readonly ask: (histories: Histories, history: string) => Promise<unknown>
}

/** What an entry is, without its time. */
const shown = (entry: HistoryEntry | undefined) =>
  entry && [entry.sequence, entry.value, entry.meta.owner]

const token = fc.constantFrom(0, 1, 2, 3)
const sequence = fc.constantFrom(0, 1, 2, 9, 10, 11)
const keep = fc.constantFrom(1, 2, 3, 10)

const append = fc.record({ token, sequence, keep }).map((asked): Step => {
  const value = `${asked.sequence} by ${asked.token}`
  const entry = { ...asked, value, ttl: TTL, meta: { owner: `${asked.token}` } }
  return { name: `append ${value}`, ask: (to, history) => to.append({ ...entry, history }) }
})

const open = token.map(
  (by): Step => ({
    name: `open by ${by}`,
    ask: async (to, history) => {
      const reply = await to.open(history, by, TTL)
      return reply.state === 'current' ? shown(reply.latest) : reply
    },
  }),
)

const read = fc.option(sequence, { nil: undefined }).map(
  (at): Step => ({
    name: `read ${at}`,
    ask: async (to, history) => shown(await to.read(history, at)),
  }),
)

const trim = fc
  .constantFrom(0, 1, 2)
  .map((most): Step => ({ name: `trim ${most}`, ask: (to, history) => to.trim(history, most) }))

const remove = fc.constant<Step>({ name: 'remove', ask: (to, history) => to.remove(history) })

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: append },
  { weight: 2, arbitrary: fc.oneof(open, read) },
  { weight: 1, arbitrary: fc.oneof(trim, remove) },
)

test.each(Object.entries(stores))(
  'a history answers the same in memory and on %s',
  async (_server, store) => {
    let runs = 0
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 25 }), async (steps) => {
        const { histories } = new MemoryAdapter()
        const history = `history-${runs++}`
        const all = async (of: Histories) => (await of.list(history)).map(shown)
        for (const [at, { name, ask }] of steps.entries()) {
          const expected = [await ask(histories, history), await all(histories)]
          const actual = [await ask(store.histories, history), await all(store.histories)]
          expect(actual, `step ${at}: ${name}`).toEqual(expected)
        }
      }),
      { numRuns: 200 },
    )
  },
  60_000,
)
