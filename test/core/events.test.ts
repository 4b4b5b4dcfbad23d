// What happens behind a caller's back is told to a listener, which can do no harm.

import { expect, test } from 'vitest'
import { emit } from '../../src/core/events.ts'
import { Lock, MemoryAdapter } from '../../src/index.ts'
import { fakeTime } from '../support/fake-time.ts'

const time = fakeTime()

test('an event is told as it is', () => {
  const told: unknown[] = []
  const event = { name: 'holdfast.lock.lost', key: 'orders:42' } as const
  emit((each) => told.push(each), event)
  emit(undefined, event)
  expect(told).toEqual([event])
})

test('a listener that throws changes nothing', () => {
  const listener = () => {
    throw new Error('from the listener')
  }
  expect(() => emit(listener, { name: 'holdfast.lock.lost' })).not.toThrow()
})

test('a listener that rejects is no unhandled rejection', async () => {
  const unhandled: unknown[] = []
  const note = (reason: unknown): void => void unhandled.push(reason)
  process.on('unhandledRejection', note)
  emit(async () => Promise.reject(new Error('from the listener')), { name: 'holdfast.lock.lost' })
  await time.settle()
  process.off('unhandledRejection', note)
  expect(unhandled).toEqual([])
})

test('a listener that throws does not keep a lost lock from aborting its signal', async () => {
  const provider = new MemoryAdapter({
    onEvent: () => {
      throw new Error('from the listener')
    },
  })
  const lock = new Lock(undefined, { provider, key: 'k', ttl: 1_000, autoExtend: false })
  const guard = await lock.acquire()
  const { signal } = guard
  await time.pass(1_000)
  expect(signal.aborted).toBe(true)
  expect(await guard.release()).toEqual({ released: false, reason: 'expired' })
})
