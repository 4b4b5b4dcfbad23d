// Circuit breakers in the memory of this process.
import type {
  BreakerMove,
  BreakerPhase,
  BreakerView,
  Counts,
  OutcomeReport,
  Outcomes,
} from '../../core/ports.ts'
import { ExpiringMap } from './expiring-map.ts'
import { outgrow } from './wall-clock.ts'

/** The window is counted in this many buckets. */
const BUCKETS = 10
/** How long an idle breaker is remembered, in milliseconds. */
const KEPT = 7_200_000

interface Breaker {
  generation: number
  phase: BreakerPhase
  openUntil: number
  trips: number
  /** By when they begin, whatever the window was: after a deploy it may be another one. */
  readonly buckets: Map<number, Outcomes>
  readonly reports: Map<string, { readonly sequence: number; readonly at: number }>
}

/** Breakers by name. */
export class MemoryCounts implements Counts {
  readonly #now: () => number
  readonly #publish: (channel: string, text: string) => void
  readonly #breakers: ExpiringMap<Breaker>

  constructor(now: () => number, publish: (channel: string, text: string) => void) {
    this.#now = now
    this.#publish = publish
    this.#breakers = new ExpiringMap(now)
  }

  async report(report: OutcomeReport): Promise<BreakerView> {
    const breaker = this.#get(report.breaker)
    const { generation, window, outcomes, reporter, sequence } = report
    const now = this.#now()
    const current = now - (now % (window / BUCKETS))
    this.#prune(breaker, now, window, current - window)
    const known = breaker.reports.get(reporter)?.sequence ?? 0
    if (breaker.generation === generation && sequence > known) {
      breaker.buckets.set(current, sum([breaker.buckets.get(current) ?? NONE, outcomes]))
      breaker.reports.set(reporter, { sequence, at: now })
    }
    return this.#view(breaker)
  }

  async move({
    breaker: name,
    generation,
    phase,
    openFor,
    trips,
    channel,
  }: BreakerMove): Promise<BreakerView> {
    const breaker = this.#get(name)
    if (breaker.generation === generation) {
      breaker.generation = outgrow(generation)
      breaker.phase = phase
      breaker.trips = trips
      breaker.openUntil = phase === 'open' ? this.#now() + openFor : 0
      breaker.buckets.clear()
      breaker.reports.clear()
      this.#keep(name, breaker)
      this.#publish(channel, String(breaker.generation))
    }
    return this.#view(breaker)
  }

  #get(name: string): Breaker {
    const breaker = this.#breakers.get(name) ?? {
      generation: 0,
      phase: 'closed' as const,
      openUntil: 0,
      trips: 0,
      buckets: new Map(),
      reports: new Map(),
    }
    this.#keep(name, breaker)
    return breaker
  }

  #keep(name: string, breaker: Breaker): void {
    const { phase, openUntil } = breaker
    // One that somebody has isolated by hand stays so; one that is open is not forgotten before it may be tried.
    const kept = phase === 'isolated' ? Number.POSITIVE_INFINITY : KEPT
    this.#breakers.set(name, breaker, Math.max(this.#now(), openUntil) + kept)
  }

  #prune({ buckets, reports }: Breaker, now: number, window: number, oldest: number): void {
    for (const start of buckets.keys()) if (start <= oldest) buckets.delete(start)
    for (const [reporter, { at }] of reports) if (at < now - window - KEPT) reports.delete(reporter)
  }

  #view({ generation, phase, openUntil, trips, buckets }: Breaker): BreakerView {
    const remaining = phase === 'open' ? Math.max(0, Math.ceil(openUntil - this.#now())) : 0
    return { generation, phase, remaining, trips, totals: sum([...buckets.values()]) }
  }
}

const NONE: Outcomes = { success: 0, failure: 0, slow: 0 }

function sum(all: readonly Outcomes[]): Outcomes {
  return all.reduce(
    (total, { success, failure, slow }) => ({
      success: total.success + success,
      failure: total.failure + failure,
      slow: total.slow + slow,
    }),
    NONE,
  )
}
