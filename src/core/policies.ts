// The policies themselves: each asks one primitive and runs the work inside it.
import { LateJoinedSignal } from './abort.ts'
import { after } from './clock.ts'
import { isHoldfastError } from './error-guards.ts'
import { TimeoutError } from './errors.ts'
import type { Guard } from './guard.ts'
import { LazyPassage, type Passage, type Policy } from './policy.ts'
import { sleepUnless } from './sleep.ts'

/** How failed work is tried again. */
export interface RetryOptions {
  /**
   * How often the work is tried in all.
   *
   * @defaultValue 3
   */
  readonly attempts?: number | undefined
  /**
   * Milliseconds before the second attempt; doubled before each further one, with jitter.
   *
   * @defaultValue 100
   */
  readonly delay?: number | undefined
  /** Whether an error is worth another attempt; default: every error but aborts and invalid arguments. */
  readonly shouldRetry?: ((error: unknown, attempt: number) => boolean) | undefined
}

const LONGEST_DELAY = 30_000

/** Ends the work after `ms`: its signal aborts and the caller is answered, whether the work settles or not. */
export function timeoutPolicy(ms: number, subject = 'The task'): Policy {
  return async (passage, next) => {
    const controller = new AbortController()
    const timer = after(
      ms,
      () => {
        const error = new TimeoutError(`${subject} took longer than ${ms} ms`)
        controller.abort(error)
        passage.interrupt(error)
      },
      'foreground',
    )
    try {
      return await inside(passage, () => controller.signal, next)
    } finally {
      timer.stop()
    }
  }
}

/** Tries failed work again, with growing pauses, until its signal aborts. */
export function retryPolicy({
  attempts = 3,
  delay = 100,
  shouldRetry = isWorthRetrying,
}: RetryOptions): Policy {
  return async (passage, next) => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await next(
          new LazyPassage(() => passage.signal, { attempt, interrupt: passage.interrupt }),
        )
      } catch (error) {
        const last = attempt >= attempts || passage.signal.aborted
        if (last || !shouldRetry(error, attempt)) throw error
        const longest = Math.min(delay * 2 ** (attempt - 1), LONGEST_DELAY)
        await sleepUnless(passage.signal, longest / 2 + (Math.random() * longest) / 2)
      }
    }
  }
}

/** Holds a lock or permit while the work runs, which it is told of; its signal aborts when the lease is lost. */
export function holdingPolicy<G extends Guard>(
  acquire: (signal: AbortSignal) => Promise<G>,
  held?: (guard: G) => void,
): Policy {
  return async (passage, next) => {
    const guard = await acquire(passage.signal)
    try {
      held?.(guard)
      return await inside(passage, () => guard.signal, next)
    } finally {
      await guard[Symbol.asyncDispose]()
    }
  }
}

/** Runs the work with a signal that also aborts with another one. */
export async function inside<T>(
  passage: Passage,
  signal: () => AbortSignal,
  next: (passage: Passage) => Promise<T>,
): Promise<T> {
  const joined = new LateJoinedSignal(() => [passage.signal, signal()])
  try {
    return await next(new LazyPassage(() => joined.signal, passage))
  } finally {
    joined.letGo()
  }
}

function isWorthRetrying(error: unknown): boolean {
  const code = isHoldfastError(error) ? error.code : ''
  return code !== 'ERR_HOLDFAST_INVALID_ARGUMENT' && code !== 'ERR_HOLDFAST_ABORTED'
}
