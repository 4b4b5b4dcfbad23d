// What a guard tells on the span of the request that it guards, which is not ours.
import { trace } from '@opentelemetry/api'
import { guardAttributes } from './catalogue.ts'
import { parseTraceparent } from './traceparent.ts'

/** What is told of a guard on the request's span. */
export interface GuardNote {
  readonly guard: string
  readonly outcome: string
  /** The execution whose answer is replayed. */
  readonly replayOf?: string | undefined
}

/**
 * Takes the active span for that of the request; the function returned sets a guard's outcome on it and, on a replay,
 * links it to the original execution. When the guard judges, a span of our own may be active instead.
 */
export function requestAnnotator(): (note: GuardNote) => void {
  const span = trace.getActiveSpan()
  return ({ guard, outcome, replayOf }) => {
    if (!span?.isRecording()) return
    span.setAttribute(guardAttributes.outcome(guard), outcome)
    if (guard === 'idempotency') span.setAttribute(guardAttributes.replayed, outcome === 'replayed')
    const original = replayOf === undefined ? undefined : parseTraceparent(replayOf)
    if (original) span.addLink({ context: original })
  }
}
