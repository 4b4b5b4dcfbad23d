// What is known to be exhausted: refused here for a while, without asking the store.
import { now } from './clock.ts'
import type { RateStanding, RuleStanding } from './ports.ts'

interface Refusal extends RuleStanding {
  readonly allowed: boolean
  readonly standings: readonly RuleStanding[]
}

interface Known<R> {
  readonly cost: number
  readonly until: number
  readonly at: number
  readonly refusal: R
}

const MOST = 10_000
/** Milliseconds after which the store is asked again: another process may have reset what was spent. */
const LONGEST = 1_000

/**
 * Refusals by limiter, as long as they hold, and for a second at most: what others spend meanwhile only prolongs them.
 */
export class Exhausted {
  readonly #known = new Map<string, Known<Refusal>>()

  /** Notes a refusal. */
  note(limiter: string, cost: number, refusal: Refusal): void {
    const at = now()
    this.#known.delete(limiter)
    const until = at + Math.min(refusal.retryAfter, LONGEST)
    this.#known.set(limiter, { cost, until, at, refusal })
    // The oldest goes first: a map keeps the order in which its keys came.
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= MOST) return
      this.#known.delete(oldest)
    }
  }

  /** The refusal that holds for a cost now, with what is left of its times. */
  get(limiter: string, cost: number): Refusal | undefined {
    const known = this.#known.get(limiter)
    if (!known) return undefined
    const time = now()
    if (time >= known.until) {
      this.#known.delete(limiter)
      return undefined
    }
    // Another cost fits at another time: a smaller one sooner, a larger one later.
    if (cost !== known.cost) return undefined
    const passed = time - known.at
    const standings = known.refusal.standings.map((standing) => later(standing, passed))
    return { ...later(known.refusal, passed), standings }
  }

  forget(limiter: string): void {
    this.#known.delete(limiter)
  }
}

/** What is left of a standing's times. */
function later<S extends RateStanding>(standing: S, passed: number): S {
  const left = (time: number): number => (time === 0 ? 0 : Math.max(1, Math.ceil(time - passed)))
  return {
    ...standing,
    retryAfter: left(standing.retryAfter),
    resetAfter: left(standing.resetAfter),
  }
}
