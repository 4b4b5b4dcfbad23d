// How work is guarded: policies around it, one inside the other, in one order.

/** What a policy and the work inside it are given. */
export interface Passage {
  /** Aborts when the work should end: the caller's signal, a timeout, a lost lease. */
  readonly signal: AbortSignal
  /** Which attempt of the work this is, from 1. */
  readonly attempt: number
  /**
   * Answers the caller with an error at once, while the work still settles behind: what guards it is held until then.
   */
  readonly interrupt: (error: Error) => void
}

/**
 * A passage whose signal is found when somebody asks for it.
 *
 * A class, because V8 gives every object literal with a getter a shape of its own, which keeps what the getter closes
 * over alive until the whole heap is collected.
 */
export class LazyPassage implements Passage {
  readonly attempt: number
  readonly interrupt: (error: Error) => void
  readonly #signal: () => AbortSignal

  constructor(
    signal: () => AbortSignal,
    { attempt, interrupt }: Pick<Passage, 'attempt' | 'interrupt'>,
  ) {
    this.attempt = attempt
    this.interrupt = interrupt
    this.#signal = signal
  }

  get signal(): AbortSignal {
    return this.#signal()
  }
}

/** Guards work: calls `next` at most once for each attempt, or throws to refuse. */
export type Policy = <T>(passage: Passage, next: (passage: Passage) => Promise<T>) => Promise<T>

/** The policies that work can be given. */
export type PolicyKind =
  | 'idempotency'
  | 'timeout'
  | 'retry'
  | 'rateLimit'
  | 'circuitBreaker'
  | 'lock'
  | 'semaphore'

/**
 * Outermost first: a replay costs no quota; the timeout covers retries and waiting; each attempt is charged and takes
 * the lock anew, and a permit last, so that nobody sits on one while waiting for a lock.
 */
export const POLICY_ORDER: readonly PolicyKind[] = [
  'idempotency',
  'timeout',
  'retry',
  'rateLimit',
  'circuitBreaker',
  'lock',
  'semaphore',
]

/** One policy out of several, in {@link POLICY_ORDER} whatever order they are written in. */
export function inOrder(policies: { readonly [K in PolicyKind]?: Policy | undefined }): Policy {
  return POLICY_ORDER.map((kind) => policies[kind])
    .filter((policy) => policy !== undefined)
    .reduceRight<Policy>(
      (inner, outer) => (passage, next) => outer(passage, (inside) => inner(inside, next)),
      (passage, next) => next(passage),
    )
}
