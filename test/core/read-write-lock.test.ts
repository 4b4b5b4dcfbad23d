// Read-write locks: many readers or one writer, and neither starves.

import { describe, expect, test } from 'vitest'
import {
  isAcquireTimeoutError,
  isInvalidArgumentError,
  Lock,
  MemoryAdapter,
} from '../../src/index.ts'
import { fakeTime } from '../support/fake-time.ts'
import { outcomeOf } from '../support/outcome-of.ts'

const time = fakeTime()

function lock(provider = new MemoryAdapter()) {
  return new Lock(undefined, { provider, key: 'document', allowMultipleReaders: true })
}

describe('readers', () => {
  test('hold together', async () => {
    const shared = lock()
    const guards = [await shared.read(), await shared.read(), await shared.tryRead()]
    expect(guards.map((guard) => guard?.held)).toEqual([true, true, true])
  })

  test('keep writers out until the last of them has left', async () => {
    const shared = lock()
    const first = await shared.read()
    const last = await shared.read()
    expect(await shared.tryWrite()).toBeUndefined()
    const writing = shared.write()
    await time.settle()
    await first.release()
    await time.settle()
    expect(await outcomeOf(writing)).toEqual({ state: 'pending' })
    await last.release()
    expect((await writing).held).toBe(true)
  })

  test('that come after a waiting writer wait for it, so that it does not starve', async () => {
    const shared = lock()
    const reader = await shared.read()
    const writing = shared.write()
    await time.settle()
    expect(await shared.tryRead()).toBeUndefined()
    const late = shared.read()
    await time.settle()
    await reader.release()
    const writer = await writing
    expect(await outcomeOf(late)).toEqual({ state: 'pending' })
    await writer.release()
    expect((await late).held).toBe(true)
  })

  test('that waited for a writer follow it together', async () => {
    const shared = lock()
    const writer = await shared.write()
    const reading = [shared.read(), shared.read(), shared.read()]
    await time.settle()
    await writer.release()
    expect((await Promise.all(reading)).map(({ held }) => held)).toEqual([true, true, true])
  })

  test('are let in when the writer before them gives up', async () => {
    const shared = lock()
    await shared.read()
    const writing = shared.write({ timeout: 500 })
    writing.catch(() => {})
    await time.settle()
    const late = shared.read()
    // Less than a beat, which would find them too.
    await time.pass(500)
    await expect(writing).rejects.toSatisfy(isAcquireTimeoutError)
    expect((await late).held).toBe(true)
  })

  test('share the fencing token of the last writer, or a greater one', async () => {
    const shared = lock()
    const writer = await shared.write()
    await writer.release()
    const [a, b] = [await shared.read(), await shared.read()]
    expect(a.fencingToken).toBe(b.fencingToken)
    expect(a.fencingToken).toBeGreaterThanOrEqual(writer.fencingToken)
    await a.release()
    await b.release()
    expect((await shared.write()).fencingToken).toBeGreaterThan(a.fencingToken)
  })
})

describe('a writer', () => {
  test('is alone', async () => {
    const shared = lock()
    await shared.write()
    expect(await shared.tryRead()).toBeUndefined()
    expect(await shared.tryWrite()).toBeUndefined()
    expect(await shared.tryAcquire()).toBeUndefined()
  })

  test('is what acquire and run take', async () => {
    const shared = lock()
    await shared.run(async () => {
      expect(await shared.tryRead()).toBeUndefined()
    })
    await shared.acquire()
    expect(await shared.tryRead()).toBeUndefined()
  })

  test('that waits for the readers of its own lock is told so when it times out', async () => {
    const shared = lock()
    const reader = await shared.read()
    const upgrade = shared.write({ timeout: 500 })
    upgrade.catch(() => {})
    await time.pass(500)
    await expect(upgrade).rejects.toThrow(
      "Could not acquire 'document' within 500 ms: this Lock itself holds 1 read guard, which a write waits for; release them before write()",
    )
    await reader.release()
    expect((await shared.write()).held).toBe(true)
  })

  test('that waits for the readers of others is not told of its own', async () => {
    const provider = new MemoryAdapter()
    await lock(provider).read()
    const writing = lock(provider).write({ timeout: 500 })
    writing.catch(() => {})
    await time.pass(500)
    await expect(writing).rejects.toThrow(/within 500 ms$/)
  })
})

describe('a lock without `allowMultipleReaders`', () => {
  test.each(['read', 'write', 'tryRead', 'tryWrite'] as const)('refuses %s()', async (method) => {
    const exclusive = new Lock(undefined, { key: 'k', provider: new MemoryAdapter() })
    await expect(exclusive[method]()).rejects.toSatisfy(isInvalidArgumentError)
    expect(await exclusive.tryAcquire()).toBeDefined()
  })
})
