// Draws spans as an indented text, so that a test states a whole trace in one assertion.

import { SpanStatusCode } from '@opentelemetry/api'
import type { ReadableSpan } from '@opentelemetry/sdk-trace'

export interface SpanTreeOptions {
  /** The attributes to show, in this order; what a span does not have is left out. */
  readonly attributes?: readonly string[]
  /** Show ` -> name` for each link (`?` when the linked span is not among these). @defaultValue false */
  readonly links?: boolean
  /** @defaultValue every span */
  readonly where?: (span: ReadableSpan) => boolean
}

/**
 * One line per span, two spaces deeper per level, in the order in which they started:
 * `name [attribute=value …] [ERROR: message] [-> linked …]`. A span whose parent is not among them is a root.
 */
export function spanTree(spans: readonly ReadableSpan[], options: SpanTreeOptions = {}): string {
  const { where = () => true } = options
  const shown = spans.filter(where).toSorted(byStart)
  const named = new Map(spans.map((span) => [span.spanContext().spanId, span.name]))
  const ids = new Set(shown.map((span) => span.spanContext().spanId))
  const lines: string[] = []
  const draw = (span: ReadableSpan, depth: number) => {
    lines.push('  '.repeat(depth) + line(span, options, named))
    const { spanId } = span.spanContext()
    for (const child of shown) {
      if (child.parentSpanContext?.spanId === spanId) draw(child, depth + 1)
    }
  }
  for (const span of shown) {
    if (!ids.has(span.parentSpanContext?.spanId ?? '')) draw(span, 0)
  }
  return lines.join('\n')
}

function line(
  span: ReadableSpan,
  { attributes = [], links = false }: SpanTreeOptions,
  named: ReadonlyMap<string, string>,
): string {
  const { code, message } = span.status
  return [
    span.name,
    ...attributes
      .filter((name) => span.attributes[name] !== undefined)
      .map((name) => `${name}=${span.attributes[name]}`),
    ...(code === SpanStatusCode.ERROR ? [message ? `ERROR: ${message}` : 'ERROR'] : []),
    ...(links ? span.links.map(({ context }) => `-> ${named.get(context.spanId) ?? '?'}`) : []),
  ].join(' ')
}

function byStart(a: ReadableSpan, b: ReadableSpan): number {
  return a.startTime[0] - b.startTime[0] || a.startTime[1] - b.startTime[1]
}
