// Semaphores: no more permits than there are, all or none, first come, first served.

import { describe, expect, test } from 'vitest'
import {
  isAbortedError,
  isAcquireTimeoutError,
  isInvalidArgumentError,
  MemoryAdapter,
  Permit,
  Semaphore,
} from '../../src/index.ts'
import { fakeTime } from '../support/fake-time.ts'
import { outcomeOf } from '../support/outcome-of.ts'

const time = fakeTime()

function semaphore(limit: number, provider = new MemoryAdapter()) {
  return new Semaphore(limit, { provider, key: 'reports' })
}

describe('a semaphore', () => {
  test('grants as many permits as it has', async () => {
    const reports = semaphore(2)
    const permit = await reports.acquire()
    expect(permit).toBeInstanceOf(Permit)
    expect(permit.permits).toBe(1)
    expect(await reports.tryAcquire()).toBeDefined()
    expect(await reports.tryAcquire()).toBeUndefined()
  })

  test('is one for all processes that share the store', async () => {
    const provider = new MemoryAdapter()
    const processes = Array.from({ length: 4 }, () => semaphore(2, provider))
    const taken = await Promise.all(processes.map((each) => each.tryAcquire()))
    expect(taken.filter(Boolean)).toHaveLength(2)
  })

  test('says what it limits, and to how many', () => {
    const reports = semaphore(7)
    expect([reports.key, reports.limit]).toEqual(['reports', 7])
  })

  test('hands a permit that comes back to whoever waits longest', async () => {
    const reports = semaphore(1)
    const permit = await reports.acquire()
    const order: string[] = []
    const take = async (name: string) => {
      const taken = await reports.acquire()
      order.push(name)
      await taken.release()
    }
    const waiting = ['a', 'b', 'c'].map(take)
    await time.settle()
    await permit.release()
    await Promise.all(waiting)
    expect(order).toEqual(['a', 'b', 'c'])
  })

  test('never has more permits out than it has, whatever is asked for', async () => {
    const reports = semaphore(5)
    let out = 0
    let most = 0
    const work = async (permits: number) => {
      const permit = await reports.acquire({ permits })
      out += permits
      most = Math.max(most, out)
      await time.settle()
      out -= permits
      await permit.release()
    }
    await Promise.all(Array.from({ length: 40 }, (_, i) => work(1 + (i % 4))))
    expect(most).toBeLessThanOrEqual(5)
    expect(await reports.tryAcquire({ permits: 5 })).toBeDefined()
  })
})

describe('several permits', () => {
  test('are taken all at once or not at all', async () => {
    const reports = semaphore(4)
    await reports.acquire({ permits: 3 })
    expect(await reports.tryAcquire({ permits: 2 })).toBeUndefined()
    expect(await reports.tryAcquire()).toBeDefined()
  })

  test('come back all at once', async () => {
    const reports = semaphore(4)
    const permit = await reports.acquire({ permits: 4 })
    expect(permit.permits).toBe(4)
    await permit.release()
    expect(await reports.tryAcquire({ permits: 4 })).toBeDefined()
  })

  test('are not overtaken by a smaller request that would fit', async () => {
    const reports = semaphore(3)
    const permit = await reports.acquire({ permits: 2 })
    const large = reports.acquire({ permits: 3 })
    await time.settle()
    expect(await reports.tryAcquire()).toBeUndefined()
    await permit.release()
    expect((await large).permits).toBe(3)
  })

  test('more than there are is an argument that can never be met', async () => {
    const provider = new MemoryAdapter()
    await expect(semaphore(3, provider).acquire({ permits: 4 })).rejects.toThrow(
      'Expected `permits` to be an integer from 1 to 3, got 4',
    )
    await expect(semaphore(3, provider).tryAcquire({ permits: 4 })).rejects.toSatisfy(
      isInvalidArgumentError,
    )
  })
})

describe('acquire', () => {
  test('takes a signal in place of options', async () => {
    const reports = semaphore(1)
    await reports.acquire()
    const controller = new AbortController()
    const waiting = reports.acquire(controller.signal)
    waiting.catch(() => {})
    await time.settle()
    controller.abort(new Error('enough'))
    await expect(waiting).rejects.toSatisfy(isAbortedError)
    await expect(waiting).rejects.toMatchObject({ cause: controller.signal.reason })
  })

  test('with a signal that is aborted already takes nothing', async () => {
    const reports = semaphore(1)
    await expect(reports.acquire(AbortSignal.abort())).rejects.toSatisfy(isAbortedError)
    expect(await reports.tryAcquire()).toBeDefined()
  })

  test('with a timeout of 0 tries once', async () => {
    const reports = semaphore(1)
    await reports.acquire({ timeout: 0 })
    await expect(reports.acquire({ timeout: 0 })).rejects.toThrow(
      "'reports' has no permit left (tried once)",
    )
  })

  test('gives up when its timeout has passed', async () => {
    const reports = semaphore(1)
    await reports.acquire()
    const waiting = reports.acquire({ timeout: 2_000 })
    waiting.catch(() => {})
    await time.pass(1_999)
    expect(await outcomeOf(waiting)).toEqual({ state: 'pending' })
    await time.pass(1)
    await expect(waiting).rejects.toSatisfy(isAcquireTimeoutError)
    expect((await reports.inspect()).waiters).toEqual([])
  })
})

describe('run', () => {
  test('holds a permit while the function runs, and gives it back whatever happens', async () => {
    const reports = semaphore(1)
    const failure = new Error('from the work')
    const running = reports.run(async ({ signal }) => {
      expect(signal.aborted).toBe(false)
      expect(await reports.tryAcquire()).toBeUndefined()
      throw failure
    })
    await expect(running).rejects.toBe(failure)
    expect(await reports.run(() => 'done')).toBe('done')
  })

  test('may hold several permits', async () => {
    const reports = semaphore(3)
    await reports.run(
      async () => {
        expect(await reports.tryAcquire({ permits: 2 })).toBeUndefined()
      },
      { permits: 2 },
    )
    expect(await reports.tryAcquire({ permits: 3 })).toBeDefined()
  })
})

describe('a permit', () => {
  test('of a holder that died comes back after its ttl', async () => {
    const provider = new MemoryAdapter()
    const dying = new Semaphore(1, { provider, key: 'reports', ttl: 1_000, autoExtend: false })
    await dying.acquire()
    const waiting = semaphore(1, provider).acquire()
    await time.pass(1_001)
    expect((await waiting).held).toBe(true)
  })

  test('is renewed for as long as it is held', async () => {
    const provider = new MemoryAdapter()
    const permit = await new Semaphore(1, { provider, key: 'reports', ttl: 1_000 }).acquire()
    await time.pass(60_000)
    expect(permit.held).toBe(true)
    expect(await semaphore(1, provider).tryAcquire()).toBeUndefined()
  })
})
