// What a guard tells on the span of the request that it guards, which is not ours.
import { trace } from '@opentelemetry/api'
import { guardAttributes } from './catalogue.ts'
import { parseTraceparent } from './traceparent.ts'

/** What is told of a guard on the active span. */
export interface GuardNote {
  readonly guard: string
  readonly outcome: string
  /** The execution whose answer is replayed. */
  readonly replayOf?: string | undefined
}

/** Sets the guard's outcome on the active span and, on a replay, links it to the original execution. */
export function annotateRequest({ guard, outcome, replayOf }: GuardNote): void {
  const span = trace.getActiveSpan()
  if (!span?.isRecording()) return
  span.setAttribute(guardAttributes.outcome(guard), outcome)
  if (guard === 'idempotency') span.setAttribute(guardAttributes.replayed, outcome === 'replayed')
  const original = replayOf === undefined ? undefined : parseTraceparent(replayOf)
  if (original) span.addLink({ context: original })
}
