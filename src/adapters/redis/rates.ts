// Rate limits in Redis: one script, one key for each rule.
import type { RateReply, RateRequest, RateRule, RateStanding, Rates } from '../../core/ports.ts'
import { escapeName } from '../wire/keys.ts'
import consumeText from './lua/consume.lua' with { type: 'text' }
import resetText from './lua/reset.lua' with { type: 'text' }
import { Script } from './script.ts'
import type { Store } from './store.ts'

const consume = new Script(consumeText)
const reset = new Script(resetText, { frees: true })

/** Rules as the scripts are given them. */
interface Written {
  readonly parts: readonly string[]
  readonly limits: readonly number[]
}

/** Rate limits in Redis. */
export class RedisRates implements Rates {
  readonly #store: Store
  /** A limiter has the same rules in every call. */
  readonly #written = new WeakMap<readonly RateRule[], Written>()

  constructor(store: Store) {
    this.#store = store
  }

  async consume({ limiter, rules, cost }: RateRequest): Promise<RateReply> {
    const { parts, limits } = this.#write(rules)
    const args = [cost, ...limits]
    const numbers = (await this.#store.run(consume, limiter, parts, args)) as unknown[]
    const standings = rules.map((_rule, at): RateStanding => {
      const of = (column: number): number => Number(numbers[3 * at + column] ?? 0)
      return { remaining: of(1), retryAfter: of(2), resetAfter: of(3) }
    })
    return { allowed: Number(numbers[0]) === 1, standings }
  }

  async reset(limiter: string, rules: readonly RateRule[]): Promise<void> {
    await this.#store.run(reset, limiter, this.#write(rules).parts, [])
  }

  #write(rules: readonly RateRule[]): Written {
    let written = this.#written.get(rules)
    if (!written) {
      written = {
        parts: rules.map(({ name }) => `t:${escapeName(name)}`),
        limits: rules.flatMap(({ interval, burst }) => [interval, burst]),
      }
      this.#written.set(rules, written)
    }
    return written
  }
}
