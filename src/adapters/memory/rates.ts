// Rate limits in the memory of this process: the generic cell rate algorithm, one number for each rule.
import type { RateReply, RateRequest, RateRule, Rates } from '../../core/ports.ts'
import { ExpiringMap } from './expiring-map.ts'

/** Theoretical arrival times by limiter and rule, in microseconds. */
export class MemoryRates implements Rates {
  readonly #now: () => number
  readonly #arrivals: ExpiringMap<number>

  constructor(now: () => number) {
    this.#now = now
    this.#arrivals = new ExpiringMap(now)
  }

  async consume({ limiter, rules, cost }: RateRequest): Promise<RateReply> {
    const now = this.#now() * 1000
    const judged = rules.map((rule) => {
      const { interval, burst } = rule
      const full = interval * burst
      const name = nameOf(limiter, rule)
      // Never further ahead than a full burst, so that a clock that stepped back locks nobody out.
      const arrival = Math.min(Math.max(this.#arrivals.get(name) ?? now, now), now + full)
      const wait = arrival + interval * cost - now - full
      return { rule, name, full, arrival, wait }
    })
    const allowed = judged.every(({ wait }) => wait <= ROUNDING)
    const standings = judged.map(({ rule, name, full, arrival, wait }) => {
      const next = allowed ? arrival + rule.interval * cost : arrival
      if (allowed && cost > 0) this.#arrivals.set(name, next, next / 1000)
      const free = Math.floor((full - (next - now) + ROUNDING) / rule.interval)
      return {
        remaining: Math.min(rule.burst, Math.max(0, free)),
        retryAfter: allowed ? 0 : Math.max(0, Math.ceil((wait - ROUNDING) / 1000)),
        resetAfter: Math.max(0, Math.ceil((next - now - ROUNDING) / 1000)),
      }
    })
    return { allowed, standings }
  }

  async reset(limiter: string, rules: readonly RateRule[]): Promise<void> {
    for (const rule of rules) this.#arrivals.delete(nameOf(limiter, rule))
  }
}

/** What sums of intervals may be off by, in microseconds: a caller that waited as told must not be a hair too early. */
const ROUNDING = 1

function nameOf(limiter: string, { name }: RateRule): string {
  return `${limiter.length}:${limiter}:${name}`
}
