// Scopes: what is started in one ends with it.
import { level, observe } from '../telemetry/index.ts'
import { abortError, joinSignals, onAbort } from './abort.ts'
import { after, type Timer } from './clock.ts'
import { current, within } from './current-scope.ts'
import { ClosedError, TimeoutError } from './errors.ts'
import { emit } from './events.ts'
import {
  expectAdapter,
  expectDuration,
  expectFunction,
  expectName,
  expectOptions,
  expectSignal,
  refuse,
} from './expect.ts'
import { setLifetime } from './lifetime.ts'
import type { Policy } from './policy.ts'
import type { Adapter } from './ports.ts'
import { asError, type Result } from './result.ts'
import { type TaskOptions, taskPolicy } from './task.ts'

/** Options of a {@link Scope}. */
export interface ScopeOptions {
  /** The name of the scope in messages; default: `'scope'`. */
  readonly name?: string | undefined
  /** The store of the primitives made with the scope's signal and of the tasks in it; default: the parent's. */
  readonly provider?: Adapter | undefined
  /** Milliseconds after which the signal aborts with a `TimeoutError`. */
  readonly timeout?: number | undefined
  /** Ends the scope's work when it aborts. */
  readonly signal?: AbortSignal | undefined
  /** The scope that waits for this one and aborts it. */
  readonly parent?: Scope | undefined
  /**
   * Milliseconds that disposal waits for tasks that do not end; what is left is told as an event.
   *
   * @defaultValue 10_000
   */
  readonly disposeTimeout?: number | undefined
}

/** What kind of work a scope is for. */
export type ScopeKind = 'request' | 'background'

/** What the function of a task is given. */
export interface TaskContext {
  /** Aborts when the task should end: the scope's end, a timeout, the caller's signal, a lost lease. */
  readonly signal: AbortSignal
  readonly scope: Scope
  /** Which attempt this is, from 1. */
  readonly attempt: number
}

/** The function of a task. */
export type TaskFunction<T> = (context: TaskContext) => Promise<T> | T

/**
 * A lifetime for work: its tasks, child scopes and held guards end with it.
 *
 * Disposal aborts the tasks, waits for them, and releases what they hold; it never rejects.
 */
export class Scope implements AsyncDisposable {
  /** The name of the scope in messages. */
  readonly name: string
  /** Aborts on disposal, on the timeout, and with the parent or the given signal. */
  readonly signal: AbortSignal
  /** The store of what is made with this scope. */
  readonly provider: Adapter | undefined
  readonly #controller = new AbortController()
  readonly #disposeTimeout: number
  readonly #tasks = new Map<Promise<void>, string>()
  readonly #children = new Set<Scope>()
  readonly #cleanups = new Set<() => Promise<void> | void>()
  readonly #releases: (() => void)[] = []
  readonly #timer: Timer | undefined
  readonly #ended: () => void
  #disposal: Promise<void> | undefined
  #isOver = false

  /** Made by {@link scope}; `kind` is for telemetry. */
  constructor(options: ScopeOptions = {}, kind: ScopeKind = 'background') {
    const {
      name,
      provider,
      timeout,
      parent,
      disposeTimeout = 10_000,
    } = expectOptions(options, '{}')
    this.name = name === undefined ? 'scope' : expectName('name', name)
    expectScope('parent', parent)
    this.provider = expectAdapter('provider', provider) ?? parent?.provider
    this.#disposeTimeout = expectDuration('disposeTimeout', disposeTimeout)
    if (timeout !== undefined) expectDuration('timeout', timeout)
    this.signal = this.#controller.signal
    for (const signal of [expectSignal('signal', options.signal), parent?.signal]) {
      if (!signal) continue
      if (signal.aborted) this.#controller.abort(signal.reason)
      else this.#releases.push(onAbort(signal, () => this.#controller.abort(signal.reason)))
    }
    if (timeout !== undefined) {
      const expired = () =>
        this.#controller.abort(
          new TimeoutError(`The scope '${this.name}' took longer than ${timeout} ms`),
        )
      this.#timer = after(timeout, expired, 'background')
    }
    if (parent) this.#releases.push(parent.#adopt(this))
    setLifetime(this.signal, {
      provider: this.provider,
      onEnd: (end) => this.#onEnd(end),
      waitFor: (name, running) => this.#waitFor(name, running),
    })
    this.#ended = life(kind)
  }

  /**
   * Runs a function as part of the scope, guarded by the policies of its options; never throws.
   *
   * Policies apply outermost first: idempotency, timeout, retry, rate limit, circuit breaker, lock, semaphore. On a timeout or abort the caller is
   * answered at once, while what guards the function is held until it has settled. Errors keep their class; a thrown
   * non-Error becomes the `cause` of one.
   *
   * @example
   * ```ts
   * import { scope } from 'holdfast'
   *
   * const s = scope()
   * const [error, value] = await s.task(async ({ signal }) => !signal.aborted, { timeout: 1_000, retry: 2 })
   * console.log(error, value)
   * await s[Symbol.asyncDispose]()
   * ```
   */
  task<T>(work: TaskFunction<T>, options: TaskOptions = {}): Promise<Result<T>> {
    return new Promise((resolve) => {
      const fail = (error: unknown): void => resolve([asError(error), undefined])
      try {
        expectFunction('work', work)
        const policy = taskPolicy(this, expectOptions(options, 'such as `{ timeout: 1_000 }`'))
        const signal = expectSignal('signal', options.signal)
        if (this.#disposal) throw new ClosedError(`The scope '${this.name}' has ended`)
        for (const each of [this.signal, signal]) if (each?.aborted) throw abortError(each)
        const running = this.#run(work, policy, signal, fail).then(
          (value) => resolve([undefined, value]),
          fail,
        )
        this.#waitFor(options.name ?? 'task', running)
      } catch (error) {
        fail(error)
      }
    })
  }

  /** A scope inside this one, which waits for it and aborts it. */
  scope(options: Omit<ScopeOptions, 'parent'> = {}): Scope {
    return new Scope({ ...options, parent: this })
  }

  /**
   * Calls back on disposal, after the tasks have ended and in reverse order; the function returned takes it back.
   *
   * Once the disposal is over, it calls back at once: what was opened too late is closed too.
   */
  onDispose(cleanup: () => Promise<void> | void): () => void {
    return this.#onEnd(expectFunction('cleanup', cleanup))
  }

  /** Aborts the tasks, waits for them, and releases what they hold; never rejects, and a second call is the first's. */
  [Symbol.asyncDispose](): Promise<void> {
    if (!this.#disposal) {
      this.#disposal = Promise.resolve().then(() => this.#dispose())
      this.#timer?.stop()
      // Last, because whoever listens may dispose as well.
      this.#controller.abort(new ClosedError(`The scope '${this.name}' has ended`))
    }
    return this.#disposal
  }

  async #run<T>(
    work: TaskFunction<T>,
    policy: Policy,
    callersSignal: AbortSignal | undefined,
    fail: (error: Error) => void,
  ): Promise<T> {
    const { signal, letGo } = joinSignals([this.signal, callersSignal])
    const forget = onAbort(signal, () => fail(abortError(signal)))
    level('scope.active', { kind: 'task' }, 1)
    try {
      return await observe('scope', { kind: 'task' }, (watch) => {
        const interrupt = (error: Error): void => {
          watch.note({ outcome: 'timeout' })
          fail(error)
        }
        const passage = { signal, attempt: 1, interrupt }
        return within(this, () =>
          policy(passage, async (inside) =>
            work({ signal: inside.signal, scope: this, attempt: inside.attempt }),
          ),
        )
      })
    } finally {
      level('scope.active', { kind: 'task' }, -1)
      forget()
      letGo()
    }
  }

  #waitFor(name: string, running: Promise<unknown>): void {
    const ended = running.then(
      () => {},
      () => {},
    )
    this.#tasks.set(ended, name)
    void ended.then(() => this.#tasks.delete(ended))
  }

  #adopt(child: Scope): () => void {
    this.#children.add(child)
    return () => this.#children.delete(child)
  }

  #onEnd(end: () => Promise<void> | void): () => void {
    if (this.#isOver) void this.#cleanUp(end)
    else this.#cleanups.add(end)
    return () => this.#cleanups.delete(end)
  }

  async #dispose(): Promise<void> {
    await this.#settle()
    while (this.#cleanups.size > 0) {
      for (const cleanup of [...this.#cleanups].reverse()) {
        if (this.#cleanups.delete(cleanup)) await this.#cleanUp(cleanup)
      }
    }
    this.#isOver = true
    for (const release of this.#releases.splice(0)) release()
    this.#ended()
  }

  async #cleanUp(cleanup: () => Promise<void> | void): Promise<void> {
    try {
      await cleanup()
    } catch (error) {
      emit(this.provider?.onEvent, { name: 'holdfast.callback.failed', error })
    }
  }

  async #settle(): Promise<void> {
    const children = [...this.#children].map((child) => child[Symbol.asyncDispose]())
    const all = Promise.all([...children, ...this.#tasks.keys()])
    let timer: Timer | undefined
    const overrun = new Promise<void>((resolve) => {
      timer = after(this.#disposeTimeout, resolve, 'foreground')
    })
    await Promise.race([all, overrun])
    timer?.stop()
    for (const name of this.#tasks.values()) {
      emit(this.provider?.onEvent, {
        name: 'holdfast.scope.overrun',
        message: `The task '${name}' of the scope '${this.name}' has not ended ${this.#disposeTimeout} ms after its signal aborted`,
      })
    }
  }
}

/**
 * Makes a scope, to be disposed of with `await using`.
 *
 * @throws InvalidArgumentError when an option is not of the documented form
 *
 * @example
 * ```ts
 * import { Lock, MemoryAdapter, scope } from 'holdfast'
 *
 * const s = scope({ provider: new MemoryAdapter(), timeout: 60_000 })
 * const lock = new Lock(s.signal, { key: 'nightly' })
 * const [error] = await s.task(async () => 'done', { lock, timeout: 5_000 })
 * console.log(error)
 * await s[Symbol.asyncDispose]()
 * ```
 */
export function scope(options: ScopeOptions = {}): Scope {
  return new Scope(options)
}

/**
 * The scope that the running code belongs to; undefined outside of tasks and request scopes, and on runtimes without
 * `node:async_hooks`.
 *
 * @example
 * ```ts
 * import { currentScope, scope } from 'holdfast'
 *
 * const s = scope({ name: 'import' })
 * const [, name] = await s.task(async () => currentScope()?.name)
 * console.log(name)
 * await s[Symbol.asyncDispose]()
 * ```
 */
export function currentScope(): Scope | undefined {
  return current() as Scope | undefined
}

/** Throws unless a value is a scope, or undefined. */
export function expectScope(option: string, value: Scope | undefined): void {
  if (value !== undefined && !(value instanceof Scope)) refuse(option, 'a scope', value)
}

/** Counts a scope among those that live, and times it; the function returned ends it. */
function life(kind: ScopeKind): () => void {
  level('scope.active', { kind }, 1)
  let end: () => void = () => {}
  void observe('scope', { kind }, () => new Promise<void>((resolve) => (end = resolve)))
  return () => {
    level('scope.active', { kind }, -1)
    end()
  }
}
