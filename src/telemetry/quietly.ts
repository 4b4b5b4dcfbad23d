// Background work outside every trace: renewals and beats must not fill the trace of a caller.
import { context, createContextKey, ROOT_CONTEXT } from '@opentelemetry/api'

// The key that @opentelemetry/core's suppressTracing sets; context keys are Symbol.for, so it is shared.
const SUPPRESS_TRACING = createContextKey('OpenTelemetry SDK Context Key SUPPRESS_TRACING')
const QUIET = ROOT_CONTEXT.setValue(SUPPRESS_TRACING, true)

/** Runs `work` outside the caller's trace, with tracing of what it calls suppressed. */
export function quietly<T>(work: () => T): T {
  return context.with(QUIET, work)
}
