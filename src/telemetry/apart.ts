// Work that a caller sets off and does not wait for: a trace of its own, linked to the caller's.
import { context, ROOT_CONTEXT, trace } from '@opentelemetry/api'
import { traceparentOf } from './traceparent.ts'

/** The W3C traceparent of the active span; undefined when nothing is traced. */
export function activeTraceparent(): string | undefined {
  return traceparentOf(trace.getActiveSpan())
}

/** Runs `work` outside the caller's trace. */
export function apart<T>(work: () => T): T {
  return context.with(ROOT_CONTEXT, work)
}
