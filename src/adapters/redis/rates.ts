// Rate limits in Redis: one script, one key for each rule.
import type { RateReply, RateRequest, RateRule, RateStanding, Rates } from '../../core/ports.ts'
import { escapeName } from '../wire/keys.ts'
import consumeText from './lua/consume.lua' with { type: 'text' }
import resetText from './lua/reset.lua' with { type: 'text' }
import { Script } from './script.ts'
import type { Store } from './store.ts'

const consume = new Script(consumeText)
const reset = new Script(resetText, { frees: true })

/** Rate limits in Redis. */
export class RedisRates implements Rates {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  async consume({ limiter, rules, cost }: RateRequest): Promise<RateReply> {
    const limits = rules.flatMap(({ interval, burst }) => [interval, burst])
    const [allowed, ...numbers] = (await this.#store.run(consume, limiter, partsOf(rules), [
      cost,
      ...limits,
    ])) as number[]
    const standings = rules.map((_rule, at): RateStanding => {
      const [remaining = 0, retryAfter = 0, resetAfter = 0] = numbers.slice(3 * at).map(Number)
      return { remaining, retryAfter, resetAfter }
    })
    return { allowed: Number(allowed) === 1, standings }
  }

  async reset(limiter: string, rules: readonly RateRule[]): Promise<void> {
    await this.#store.run(reset, limiter, partsOf(rules), [])
  }
}

function partsOf(rules: readonly RateRule[]): string[] {
  return rules.map(({ name }) => `t:${escapeName(name)}`)
}
