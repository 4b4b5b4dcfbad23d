// What a signal stands for: the scope behind it, where there is one, and what must end with it.
import { abortError, onAbort } from './abort.ts'
import { ClosedError } from './errors.ts'
import type { Guard } from './guard.ts'
import type { Adapter } from './ports.ts'

/** The scope behind a signal. */
export interface Lifetime {
  readonly provider: Adapter | undefined
  /** Runs `end` when the scope's tasks have ended; the function returned takes it back. */
  onEnd(end: () => Promise<void>): () => void
  /** Waits for running work before anything that it holds is released, as for a task. */
  waitFor(name: string, running: Promise<unknown>): void
}

const lifetimes = new WeakMap<AbortSignal, Lifetime>()

/** Says which scope a signal belongs to. */
export function setLifetime(signal: AbortSignal, lifetime: Lifetime): void {
  lifetimes.set(signal, lifetime)
}

/** The store that primitives made with this signal use unless they are given one. */
export function providerOf(signal: AbortSignal | undefined): Adapter | undefined {
  return signal && lifetimes.get(signal)?.provider
}

/**
 * Makes running work part of the scope behind a signal, where there is one: its disposal waits for the work, and then
 * for `end`, also when the work does not end. The function returned takes `end` back.
 */
export function partOf(
  signal: AbortSignal | undefined,
  name: string,
  running: Promise<unknown>,
  end: () => Promise<void>,
): () => void {
  const lifetime = signal && lifetimes.get(signal)
  if (!lifetime) return () => {}
  lifetime.waitFor(name, running)
  return lifetime.onEnd(end)
}

/** The guards that a primitive has out, which end with its signal. */
export class Holdings {
  readonly #signal: AbortSignal | undefined
  readonly #open = new Set<Guard>()
  #unlisten: (() => void) | undefined

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal
  }

  /** Takes a guard in; one that comes when the signal has aborted is released, and its caller gets the signal's error. */
  add(guard: Guard): void {
    const signal = this.#signal
    if (signal?.aborted) {
      void guard.close(signal.reason)
      throw abortError(signal, guard.key)
    }
    this.#open.add(guard)
    // Listens only while something is held, so that a lock made per request leaves nothing on a long-lived signal.
    this.#unlisten ??= this.#listen()
  }

  delete(guard: Guard): void {
    if (!this.#open.delete(guard) || this.#open.size > 0) return
    this.#unlisten?.()
    this.#unlisten = undefined
  }

  get size(): number {
    return this.#open.size
  }

  #listen(): (() => void) | undefined {
    const signal = this.#signal
    if (!signal) return undefined
    const lifetime = lifetimes.get(signal)
    // A scope first waits for its tasks: what they hold is released when they no longer work under it.
    return lifetime
      ? lifetime.onEnd(() => this.#close(signal))
      : onAbort(signal, () => void this.#close(signal))
  }

  async #close(signal: AbortSignal): Promise<void> {
    const reason = signal.reason ?? new ClosedError('The scope has ended')
    await Promise.all([...this.#open].map((guard) => guard.close(reason)))
  }
}
