// What is known to be exhausted: refused here until it can be otherwise, without asking the store.
import { now } from './clock.ts'

interface Refusal {
  readonly allowed: boolean
  readonly remaining: number
  readonly retryAfter: number
  readonly resetAfter: number
  readonly rule: string
}

interface Known<R> {
  readonly cost: number
  readonly until: number
  readonly at: number
  readonly refusal: R
}

const MOST = 10_000

/**
 * Refusals by limiter, as long as they hold.
 *
 * What others spend meanwhile only prolongs them, and a larger cost is refused for at least as long.
 */
export class Exhausted {
  readonly #known = new Map<string, Known<Refusal>>()

  /** Notes a refusal. */
  note(limiter: string, cost: number, refusal: Refusal): void {
    const at = now()
    this.#known.delete(limiter)
    this.#known.set(limiter, { cost, until: at + refusal.retryAfter, at, refusal })
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
    if (cost < known.cost) return undefined
    const passed = time - known.at
    const { retryAfter, resetAfter } = known.refusal
    return {
      ...known.refusal,
      retryAfter: Math.max(1, Math.ceil(retryAfter - passed)),
      resetAfter: Math.max(1, Math.ceil(resetAfter - passed)),
    }
  }

  forget(limiter: string): void {
    this.#known.delete(limiter)
  }
}
