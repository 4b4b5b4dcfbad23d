// Rate limits in PostgreSQL: a row for each rule, one function for each operation.
import type { RateReply, RateRequest, RateRule, RateStanding, Rates } from '../../core/ports.ts'
import { escapeName } from '../wire/keys.ts'
import { parse, relaxed, type Statement, statement } from './statement.ts'
import type { Store } from './store.ts'

/** What sums of intervals may be off by, in microseconds: a caller that waited as told must not be a hair too early. */
const ROUNDING = 1

/** Rate limits in PostgreSQL. A crash of the server may forget what was spent in its last moments. */
export class PostgresRates implements Rates {
  readonly #store: Store
  readonly #spend: Statement
  readonly #spendAll: Statement
  readonly #reset: Statement

  constructor(store: Store, schema: string) {
    this.#store = store
    this.#spend = relaxed(`${schema}.rate_spend($1, $2, $3, $4)`)
    this.#spendAll = relaxed(`${schema}.rate_spend_all($1, $2, $3, $4)`)
    this.#reset = statement(`select ${schema}.rate_reset($1)`)
  }

  async consume({ limiter, rules, cost }: RateRequest): Promise<RateReply> {
    const sorted = this.#sorted(limiter, rules)
    const [only] = sorted
    const row =
      only && sorted.length === 1
        ? await this.#store.call(this.#spend, limiter, [
            only.key,
            cost,
            only.rule.interval,
            only.rule.burst,
          ])
        : await this.#store.call(this.#spendAll, limiter, [
            sorted.map(({ key }) => key),
            cost,
            sorted.map(({ rule }) => rule.interval),
            sorted.map(({ rule }) => rule.burst),
          ])
    const [allowed, ...ahead] = parse<number[]>(limiter, row)
    const standings = new Map(
      sorted.map(({ rule }, at) => [rule, standing(rule, cost, ahead[at] ?? 0, allowed === 1)]),
    )
    return {
      allowed: allowed === 1,
      standings: rules.map((rule) => standings.get(rule) as RateStanding),
    }
  }

  async reset(limiter: string, rules: readonly RateRule[]): Promise<void> {
    const keys = this.#sorted(limiter, rules).map(({ key }) => key)
    await this.#store.call(this.#reset, limiter, [keys])
  }

  /** In the order in which everybody locks them. */
  #sorted(limiter: string, rules: readonly RateRule[]): { rule: RateRule; key: string }[] {
    const name = this.#store.key(limiter)
    return rules
      .map((rule) => ({ rule, key: `${name}:${escapeName(rule.name)}` }))
      .sort((a, b) => (a.key < b.key ? -1 : 1))
  }
}

/** How a rule stands with nothing spent any more in `ahead` microseconds, after a cost was spent or refused. */
function standing(
  { interval, burst }: RateRule,
  cost: number,
  ahead: number,
  allowed: boolean,
): RateStanding {
  const wait = ahead + interval * (cost - burst)
  return {
    remaining: Math.min(burst, Math.max(0, Math.floor(burst - (ahead - ROUNDING) / interval))),
    retryAfter: allowed ? 0 : Math.max(0, Math.ceil((wait - ROUNDING) / 1000)),
    resetAfter: Math.max(0, Math.ceil(ahead / 1000)),
  }
}
