// Locks and permits where other libraries' went wrong: several holders in one process, nested scopes.

import { expect, test } from 'vitest'
import { Lock, MemoryAdapter, Semaphore, scope } from '../../src/index.ts'
import { fakeTime } from '../support/fake-time.ts'

const time = fakeTime()

test('every guard of one lock object is renewed by itself, and only until its release', async () => {
  const provider = new MemoryAdapter()
  const lock = new Lock(undefined, { provider, key: 'k', ttl: 3_000, allowMultipleReaders: true })
  const guards = [await lock.read(), await lock.read(), await lock.read()] as const
  await time.pass(10_000)
  expect(guards.map(({ held }) => held)).toEqual([true, true, true])
  await guards[0].release()
  await time.pass(10_000)
  expect(guards.map(({ held }) => held)).toEqual([false, true, true])
  expect((await lock.inspect()).holders).toHaveLength(2)
})

test('the tasks of a scope’s children share its permits: two at once means two in all', async () => {
  await using service = scope({ provider: new MemoryAdapter() })
  const semaphore = { limit: 2, key: 'backend' }
  let running = 0
  let most = 0
  const request = async (): Promise<void> => {
    await using each = service.scope()
    const work = async (): Promise<void> => {
      most = Math.max(most, ++running)
      await new Promise((resolve) => setTimeout(resolve, 10))
      running--
    }
    await Promise.all([each.task(work, { semaphore }), each.task(work, { semaphore })])
  }
  const served = Promise.all(Array.from({ length: 4 }, request))
  await time.pass(1_000)
  await served
  expect(most).toBe(2)
})

test('a permit that was taken without waiting can be given back', async () => {
  const semaphore = new Semaphore(1, { provider: new MemoryAdapter(), key: 'k' })
  const permit = await semaphore.tryAcquire()
  expect(await semaphore.tryAcquire()).toBeUndefined()
  expect(await permit?.release()).toEqual({ released: true })
  expect(await semaphore.tryAcquire()).toBeDefined()
})
