// What values of a cache are typed as; checked by the compiler and never run.

import {
  Cache,
  type CacheEntry,
  CacheWarmer,
  MemoryAdapter,
  type Result,
  scope,
  type WarmedEntry,
} from '../../src/index.ts'
import { same } from './same.ts'

interface User {
  readonly id: string
}

const provider = new MemoryAdapter()
const users = new Cache<User | null>({ provider, name: 'users' })
const anything = new Cache({ provider, name: 'anything' })
const loadUser = async (): Promise<User> => ({ id: '1' })

same<Awaited<ReturnType<typeof anything.peek>>, CacheEntry<unknown> | undefined>(true)
const user = await users.get('1', loadUser)
same<typeof user, User>(true)
const nobody = await users.get('1', async ({ signal }) => {
  signal.throwIfAborted()
  return null
})
same<typeof nobody, null>(true)
const number = await anything.get('n', () => 7)
same<typeof number, number>(true)
await users.set('1', { id: '1' })
// @ts-expect-error - no user
await users.set('1', 'somebody')
// @ts-expect-error - no user
await users.get('1', () => 7)
// @ts-expect-error - what is to be loaded?
await users.get('1')

const warmer = new CacheWarmer(scope(), provider, { defaultTTL: 60_000 })
const entry = warmer.register('1', {
  fetcher: loadUser,
  onRefresh: (fresh) => same<typeof fresh, User>(true),
  onError: (error) => same<typeof error, Error>(true),
})
same<typeof entry, WarmedEntry<User>>(true)
const [error, value] = await entry.get()
same<Awaited<ReturnType<typeof entry.get>>, Result<User>>(true)
if (!error) same<typeof value, User>(true)
