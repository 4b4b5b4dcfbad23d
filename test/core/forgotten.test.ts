// What listens to a store and has no end of its own: it does not listen any more when nobody has it any more.

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { type Adapter, Cache, CircuitBreaker, MemoryAdapter } from '../../src/index.ts'
import { eventually } from '../support/eventually.ts'

type Provider = Pick<Adapter, 'counts' | 'grants' | 'records' | 'signals' | 'deadline' | 'onEvent'>

/** A store, and how many listen to it. */
function counted(): { readonly provider: Provider; listening(): number } {
  const store = new MemoryAdapter()
  let listening = 0
  const signals: Adapter['signals'] = {
    listen: async (channel, listener) => {
      const heard = await store.signals.listen(channel, listener)
      listening++
      const close = (): void => {
        listening--
        heard.close()
      }
      return { ...heard, close }
    },
  }
  const { deadline, counts, grants, records } = store
  const provider = { deadline, onEvent: undefined, counts, grants, records, signals }
  return { provider, listening: () => listening }
}

const uses: readonly [string, (provider: Provider, name: string) => Promise<unknown>][] = [
  [
    'a breaker',
    (stateProvider, key) => new CircuitBreaker({ stateProvider, key }).execute(() => 'answer'),
  ],
  ['a cache', (provider, name) => new Cache({ provider, name }).get('key', () => 'value')],
]

test.each(uses)('%s that nobody has any more does not listen any more', async (_noun, use) => {
  const { provider, listening } = counted()
  for (let name = 0; name < 20; name++) await use(provider, String(name))
  expect(listening()).toBe(20)
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  await eventually(() => {
    collect()
    return listening() === 0
  })
})
