// Circuit breakers in Redis: one hash each, one script for each operation.
import type {
  BreakerMove,
  BreakerPhase,
  BreakerView,
  Counts,
  OutcomeReport,
} from '../../core/ports.ts'
import moveText from './lua/move.lua' with { type: 'text' }
import reportText from './lua/report.lua' with { type: 'text' }
import { Script } from './script.ts'
import type { Store } from './store.ts'

const report = new Script(reportText)
const move = new Script(moveText)

const BREAKER = ['b']
const TWO_HOURS = 7_200_000

type Reply = [number, BreakerPhase, number, number, number?, number?, number?]

/** Circuit breakers in Redis. */
export class RedisCounts implements Counts {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  async report(asked: OutcomeReport): Promise<BreakerView> {
    const { breaker, generation, window, outcomes, reporter, sequence } = asked
    const { success, failure, slow } = outcomes
    const kept = Math.max(TWO_HOURS, 2 * window)
    const args = [generation, window, success, failure, slow, reporter, sequence, kept]
    return view((await this.#store.run(report, breaker, BREAKER, args)) as Reply)
  }

  async move({
    breaker,
    generation,
    phase,
    openFor,
    trips,
    channel,
  }: BreakerMove): Promise<BreakerView> {
    const args = [generation, phase, openFor, trips, this.#store.channel(channel), TWO_HOURS]
    return view((await this.#store.run(move, breaker, BREAKER, args)) as Reply)
  }
}

function view([generation, phase, remaining, trips, success = 0, failure = 0, slow = 0]: Reply) {
  return {
    generation: Number(generation),
    phase,
    remaining: Number(remaining),
    trips: Number(trips),
    totals: { success: Number(success), failure: Number(failure), slow: Number(slow) },
  }
}
