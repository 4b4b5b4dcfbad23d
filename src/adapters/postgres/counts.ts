// Circuit breakers in PostgreSQL: a row each, one function for each operation.
import type {
  BreakerMove,
  BreakerPhase,
  BreakerView,
  Counts,
  OutcomeReport,
} from '../../core/ports.ts'
import { parse, type Row, relaxed, type Statement, statement } from './statement.ts'
import type { Store } from './store.ts'

const TWO_HOURS = 7_200_000

/** Circuit breakers in PostgreSQL. A crash of the server may forget outcomes of its last moments, but no transition. */
export class PostgresCounts implements Counts {
  readonly #store: Store
  readonly #report: Statement
  readonly #move: Statement

  constructor(store: Store, schema: string) {
    this.#store = store
    this.#report = relaxed(`${schema}.breaker_report($1, $2, $3, $4, $5, $6, $7, $8, $9)`)
    this.#move = statement(`select ${schema}.breaker_move($1, $2, $3, $4, $5, $6, $7)`)
  }

  async report(report: OutcomeReport): Promise<BreakerView> {
    const { breaker, generation, window, outcomes, reporter, sequence } = report
    const { success, failure, slow } = outcomes
    const row = await this.#store.call(this.#report, breaker, [
      this.#store.key(breaker),
      generation,
      window,
      success,
      failure,
      slow,
      reporter,
      sequence,
      Math.max(TWO_HOURS, 2 * window),
    ])
    return view(breaker, row)
  }

  async move(move: BreakerMove): Promise<BreakerView> {
    const { breaker, generation, phase, openFor, trips, channel } = move
    const row = await this.#store.call(this.#move, breaker, [
      this.#store.key(breaker),
      generation,
      phase,
      openFor,
      trips,
      this.#store.channel(channel),
      TWO_HOURS,
    ])
    return view(breaker, row)
  }
}

function view(breaker: string, row: Row): BreakerView {
  const [generation, phase, remaining, trips, success, failure, slow] = parse<
    [number, BreakerPhase, number, number, number, number, number]
  >(breaker, row)
  return { generation, phase, remaining, trips, totals: { success, failure, slow } }
}
