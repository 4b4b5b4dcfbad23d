// The store that serves where none was given: one for the process, also when the package is there twice.

import { expect, test, vi } from 'vitest'
import { defaultAdapter } from '../../src/core/default-adapter.ts'
import { MemoryAdapter } from '../../src/index.ts'

test('there is one, in memory', () => {
  expect(defaultAdapter()).toBeInstanceOf(MemoryAdapter)
  expect(defaultAdapter()).toBe(defaultAdapter())
})

test('a second copy of the package excludes the first', async () => {
  const key = crypto.randomUUID()
  const { Lock } = await import('../../src/index.ts')
  vi.resetModules()
  const copy = await import('../../src/index.ts')
  expect(copy.Lock).not.toBe(Lock)
  const guard = await new Lock(undefined, { key }).acquire()
  expect(await new copy.Lock(undefined, { key }).tryAcquire()).toBeUndefined()
  const waiting = new copy.Lock(undefined, { key }).acquire()
  await guard.release()
  expect((await waiting).held).toBe(true)
})
