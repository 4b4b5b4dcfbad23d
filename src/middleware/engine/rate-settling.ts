// Requests whose answers say whether they count: they hold their place in a rate limit, and pay when it is known.
import { emit } from '../../core/events.ts'
import type { EventListener } from '../../core/ports.ts'
import type { RateDecision, RateLimit, RateReservation } from '../../core/rate-limiter.ts'
import type { Exchange } from './exchange.ts'
import type { Verdict } from './guard.ts'

/** Which requests spend nothing. */
export interface Skipping {
  readonly failed: boolean
  readonly successful: boolean
}

/** Spends what was reserved for a request, or lets it go, when its verdict is known. */
export async function settling(
  reservation: RateReservation,
  skipping: Skipping,
  exchange: Pick<Exchange, 'onAbandoned' | 'state'>,
  verdict: Promise<Verdict>,
  onEvent: EventListener | undefined,
): Promise<Verdict> {
  const spend = (): void => {
    const spent = reservation
      .spend()
      .catch((error: unknown) => emit(onEvent, { name: 'holdfast.guard.warning', error }))
    exchange.state.outlive(spent)
  }
  // How a handler ends that nobody listens to any more may never be known: the request counts.
  exchange.onAbandoned(spend)
  const isSkipped = succeeded(await verdict) ? skipping.successful : skipping.failed
  if (isSkipped) reservation.letGo()
  else spend()
  return verdict
}

function succeeded(verdict: Verdict): boolean {
  if (verdict.kind === 'replay') return verdict.answer.status < 400
  if (verdict.kind !== 'proceed') return false
  const { status, late, refused, unanswered } = verdict.end
  return status < 400 && !late && !refused && !unanswered
}

/** What a client may go on to spend if its request counts. */
export function asIfSpent(
  { allowed, retryAfter, resetAfter, rule, remaining, standings }: RateReservation,
  cost: number,
  rules: readonly RateLimit[],
): RateDecision {
  const asIs = { allowed, retryAfter, resetAfter, rule, remaining, standings }
  if (!allowed) return asIs
  const spent = standings.map((standing, at) => {
    const { limit, window } = rules[at] as RateLimit
    return {
      ...standing,
      remaining: Math.max(0, standing.remaining - cost),
      resetAfter: Math.ceil(standing.resetAfter + (cost * window) / limit),
    }
  })
  return {
    ...asIs,
    remaining: Math.max(0, remaining - cost),
    resetAfter: Math.max(...spent.map((standing) => standing.resetAfter)),
    standings: spent,
  }
}
