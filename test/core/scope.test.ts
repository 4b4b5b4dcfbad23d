// Scopes: what is started in one ends with it, in order, and disposal never rejects.

import { getEventListeners } from 'node:events'
import { describe, expect, test } from 'vitest'
import type { HoldfastEvent } from '../../src/index.ts'
import { currentScope, isTimeoutError, Lock, MemoryAdapter, scope } from '../../src/index.ts'
import { deferred } from '../support/deferred.ts'

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

describe('the signal of a scope aborts', () => {
  test('on disposal, with a ClosedError', async () => {
    const s = scope({ name: 'import' })
    expect(s.signal.aborted).toBe(false)
    await s[Symbol.asyncDispose]()
    expect(s.signal.reason).toMatchObject({ code: 'ERR_HOLDFAST_CLOSED' })
    expect(String(s.signal.reason)).toContain("'import'")
  })

  test('on its timeout', async () => {
    await using s = scope({ timeout: 10 })
    await new Promise((resolve) => s.signal.addEventListener('abort', resolve))
    expect(isTimeoutError(s.signal.reason)).toBe(true)
  })

  test('with the given signal, and its reason', async () => {
    const controller = new AbortController()
    await using s = scope({ signal: controller.signal })
    controller.abort('why')
    expect(s.signal.reason).toBe('why')
  })

  test('with its parent, also when the parent has ended already', async () => {
    const parent = scope()
    const child = parent.scope()
    await parent[Symbol.asyncDispose]()
    expect(child.signal.aborted).toBe(true)
    expect(scope({ parent }).signal.aborted).toBe(true)
  })
})

describe('disposal', () => {
  test('aborts the tasks, waits for them, then cleans up in reverse order', async () => {
    const log: string[] = []
    const s = scope()
    s.onDispose(() => void log.push('first registered'))
    s.onDispose(async () => {
      await pause(5)
      log.push('second registered')
    })
    void s.task(async ({ signal }) => {
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      await pause(10)
      log.push('task')
    })
    await s[Symbol.asyncDispose]()
    expect(log).toEqual(['task', 'second registered', 'first registered'])
  })

  test('waits for child scopes', async () => {
    const log: string[] = []
    const parent = scope()
    parent.onDispose(() => void log.push('parent'))
    parent.scope().onDispose(async () => {
      await pause(5)
      log.push('child')
    })
    await parent[Symbol.asyncDispose]()
    expect(log).toEqual(['child', 'parent'])
  })

  test('never rejects: a cleanup that throws is an event, and the others run', async () => {
    const events: HoldfastEvent[] = []
    const log: string[] = []
    const provider = new MemoryAdapter({ onEvent: (event) => events.push(event) })
    const s = scope({ provider })
    s.onDispose(() => void log.push('ran'))
    s.onDispose(() => {
      throw new Error('broken')
    })
    await s[Symbol.asyncDispose]()
    expect(log).toEqual(['ran'])
    expect(events.map(({ name }) => name)).toEqual(['holdfast.callback.failed'])
  })

  test('a second disposal is the first', async () => {
    let cleaned = 0
    const s = scope()
    s.onDispose(() => void cleaned++)
    await Promise.all([s[Symbol.asyncDispose](), s[Symbol.asyncDispose]()])
    await s[Symbol.asyncDispose]()
    expect(cleaned).toBe(1)
  })

  test('a disposal in a listener of the signal is the one that aborted it', async () => {
    let cleaned = 0
    const s = scope()
    s.onDispose(() => void cleaned++)
    let inside: Promise<void> | undefined
    s.signal.addEventListener('abort', () => {
      inside = s[Symbol.asyncDispose]()
    })
    const outside = s[Symbol.asyncDispose]()
    expect(s.signal.aborted).toBe(true)
    expect(inside).toBe(outside)
    await outside
    expect(cleaned).toBe(1)
  })

  test('does not wait for ever: a task that does not end is told as an event', async () => {
    const events: HoldfastEvent[] = []
    const provider = new MemoryAdapter({ onEvent: (event) => events.push(event) })
    const s = scope({ provider, disposeTimeout: 20 })
    const stuck = deferred<void>()
    void s.task(() => stuck.promise, { name: 'stuck' })
    await s[Symbol.asyncDispose]()
    expect(events).toMatchObject([{ name: 'holdfast.scope.overrun' }])
    expect(events[0]?.message).toContain("'stuck'")
    stuck.resolve()
  })

  test('a cleanup that another registers runs as well', async () => {
    const log: string[] = []
    const s = scope()
    s.onDispose(() => {
      s.onDispose(() => void log.push('registered by a cleanup'))
      log.push('cleanup')
    })
    await s[Symbol.asyncDispose]()
    expect(log).toEqual(['cleanup', 'registered by a cleanup'])
  })

  test('a cleanup that is registered afterwards runs at once, and what it throws is an event', async () => {
    const events: HoldfastEvent[] = []
    const log: string[] = []
    const s = scope({ provider: new MemoryAdapter({ onEvent: (event) => events.push(event) }) })
    await s[Symbol.asyncDispose]()
    s.onDispose(() => void log.push('ran'))
    s.onDispose(() => {
      throw new Error('broken')
    })
    await pause(1)
    expect(log).toEqual(['ran'])
    expect(events.map(({ name }) => name)).toEqual(['holdfast.callback.failed'])
  })

  test('a cleanup that was taken back does not run', async () => {
    let ran = false
    const s = scope()
    const takeBack = s.onDispose(() => {
      ran = true
    })
    takeBack()
    await s[Symbol.asyncDispose]()
    expect(ran).toBe(false)
  })
})

describe('a lock made with a scope’s signal', () => {
  test('uses the scope’s store, and a child scope’s too', async () => {
    const provider = new MemoryAdapter()
    await using s = scope({ provider })
    await using held = await new Lock(s.signal, { key: 'k' }).acquire()
    const child = s.scope()
    expect(await new Lock(child.signal, { key: 'k' }).tryAcquire()).toBeUndefined()
    expect(await new Lock(undefined, { provider, key: 'k' }).tryAcquire()).toBeUndefined()
    expect(held.held).toBe(true)
  })

  test('is released when the scope ends, after its tasks have ended', async () => {
    const provider = new MemoryAdapter()
    const rival = new Lock(undefined, { provider, key: 'k' })
    const s = scope({ provider })
    const guard = await new Lock(s.signal, { key: 'k' }).acquire()
    let heldInTask: boolean | undefined
    void s.task(async () => {
      await pause(10)
      heldInTask = guard.held
    })
    await s[Symbol.asyncDispose]()
    expect(heldInTask).toBe(true)
    expect(guard.held).toBe(false)
    expect(guard.signal.aborted).toBe(true)
    expect(await rival.tryAcquire()).toBeDefined()
  })

  test('rejects its waiters when the scope ends', async () => {
    const provider = new MemoryAdapter()
    await using held = await new Lock(undefined, { provider, key: 'k' }).acquire()
    const s = scope({ provider })
    const waiting = new Lock(s.signal, { key: 'k' }).acquire()
    const refused = expect(waiting).rejects.toMatchObject({ code: 'ERR_HOLDFAST_CLOSED' })
    await s[Symbol.asyncDispose]()
    await refused
    expect(held.held).toBe(true)
  })
})

describe('the current scope', () => {
  test('is the task’s own, inside the task and nowhere else', async () => {
    await using outer = scope({ name: 'outer' })
    const [, names] = await outer.task(async () => {
      const inner = outer.scope({ name: 'inner' })
      const [, name] = await inner.task(async () => {
        await pause(1)
        return currentScope()?.name
      })
      await inner[Symbol.asyncDispose]()
      return [name, currentScope()?.name]
    })
    expect(names).toEqual(['inner', 'outer'])
    expect(currentScope()).toBeUndefined()
  })
})

test.each([
  [{ timeout: 0 }, 'timeout'],
  [{ timeout: Number.NaN }, 'timeout'],
  [{ disposeTimeout: -1 }, 'disposeTimeout'],
  [{ parent: null as never }, 'parent'],
  [{ parent: {} as never }, 'parent'],
  [{ name: '' }, 'name'],
  [{ signal: {} as AbortSignal }, 'signal'],
  [{ provider: {} as MemoryAdapter }, 'provider'],
])('the options %o are refused with a message that names the option', (options, name) => {
  expect(() => scope(options)).toThrow(`Expected \`${name}\``)
})

test.each([{ timeout: Number.NaN }, { disposeTimeout: -1 }])(
  'a scope that is refused for %o leaves no listener on the signal',
  (options) => {
    const { signal } = new AbortController()
    expect(() => scope({ ...options, signal })).toThrow()
    expect(getEventListeners(signal, 'abort')).toEqual([])
  },
)
