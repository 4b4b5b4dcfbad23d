// The W3C traceparent, in which a span travels through a store (https://www.w3.org/TR/trace-context/).
import { isSpanContextValid, type Span, type SpanContext } from '@opentelemetry/api'

/** The traceparent of a span; undefined when there is none, or nothing is traced. */
export function traceparentOf(span: Span | undefined): string | undefined {
  const spanContext = span?.spanContext()
  return spanContext && isSpanContextValid(spanContext) ? formatTraceparent(spanContext) : undefined
}

/** The traceparent of a span context. */
function formatTraceparent({ traceId, spanId, traceFlags }: SpanContext): string {
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`
}

/** The span context of a traceparent, or undefined when it is not a valid one. */
export function parseTraceparent(traceparent: string): SpanContext | undefined {
  const [version, traceId = '', spanId = '', flags = ''] = traceparent.split('-')
  if (version !== '00' || !/^[0-9a-f]{2}$/.test(flags)) return undefined
  const context = { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true }
  return isSpanContextValid(context) ? context : undefined
}
