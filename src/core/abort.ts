// Abort signals with many waiters: one listener on each signal, gone when the last waiter is.

import { isHoldfastError } from './error-guards.ts'
import { AbortedError, type HoldfastError } from './errors.ts'

interface Fan {
  readonly callbacks: Set<() => void>
  readonly listener: () => void
}

const fans = new WeakMap<AbortSignal, Fan>()

/**
 * Calls back when the signal aborts; the function returned takes the callback back.
 *
 * A thousand waiters on one signal share one listener, so that a long-lived signal collects none.
 */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  let fan = fans.get(signal)
  if (!fan) {
    const callbacks = new Set<() => void>()
    const listener = (): void => {
      fans.delete(signal)
      for (const each of callbacks) each()
    }
    fan = { callbacks, listener }
    fans.set(signal, fan)
    signal.addEventListener('abort', listener, { once: true })
  }
  const { callbacks, listener } = fan
  // A callback may be registered twice by two waiters: each needs an entry of its own.
  const entry = (): void => callback()
  callbacks.add(entry)
  return () => {
    callbacks.delete(entry)
    if (callbacks.size === 0 && fans.get(signal)?.callbacks === callbacks) {
      fans.delete(signal)
      signal.removeEventListener('abort', listener)
    }
  }
}

/** The error of an aborted signal: its reason where that is one of ours, else an {@link AbortedError} with it as cause. */
export function abortError(signal: AbortSignal, key?: string): HoldfastError {
  const reason: unknown = signal.reason
  if (isHoldfastError(reason)) return reason
  return new AbortedError(`Aborted${key === undefined ? '' : ` while waiting for '${key}'`}`, {
    key,
    cause: reason,
  })
}

/** A signal that aborts with the first of several, until it is let go. */
export interface JoinedSignal {
  readonly signal: AbortSignal
  letGo(): void
}

/** Signals that are joined when the joined one is first asked for, which for most work is never. */
export class LateJoinedSignal implements JoinedSignal {
  readonly #signals: () => readonly (AbortSignal | undefined)[]
  #joined: JoinedSignal | undefined
  #isOver = false

  constructor(signals: () => readonly (AbortSignal | undefined)[]) {
    this.#signals = signals
  }

  get signal(): AbortSignal {
    this.#joined ??= joinSignals(this.#signals())
    if (this.#isOver) this.#joined.letGo()
    return this.#joined.signal
  }

  letGo(): void {
    this.#isOver = true
    this.#joined?.letGo()
  }
}

/** Joins signals into one; unlike `AbortSignal.any`, letting go leaves nothing behind on a long-lived one. */
export function joinSignals(signals: readonly (AbortSignal | undefined)[]): JoinedSignal {
  const controller = new AbortController()
  const releases: (() => void)[] = []
  for (const signal of signals) {
    if (!signal) continue
    if (signal.aborted) controller.abort(signal.reason)
    else releases.push(onAbort(signal, () => controller.abort(signal.reason)))
  }
  return {
    signal: controller.signal,
    letGo: () => {
      for (const release of releases.splice(0)) release()
    },
  }
}
