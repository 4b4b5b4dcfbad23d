// What of a span is worth a word in the terminal.
import { SpanKind } from '@opentelemetry/api'
import type { ReadableSpan } from '@opentelemetry/sdk-trace'

/** The name of a span; of a request whose route nobody told, its path. */
export function spanTitle({ name, kind, attributes }: ReadableSpan): string {
  const path = attributes['http.route'] ?? attributes['url.path']
  return kind === SpanKind.SERVER && path !== undefined
    ? `${attributes['http.request.method']} ${path}`
    : name
}

/** How it ended, and the few facts that explain why it took so long. */
export function spanDetails({ attributes }: ReadableSpan): string[] {
  const ended = attributes['http.response.status_code'] ?? attributes['holdfast.outcome']
  const facts = Object.entries(attributes).flatMap(([name, value]) => {
    const guard = name.match(/^holdfast\.guard\.(\w+)\.outcome$/)?.[1]
    if (guard) return DULL.has(`${value}`) ? [] : [`${guard}=${value}`]
    const fact = name.match(/^holdfast\..*\.(attempts|position|fencing_token)$/)?.[1]
    return fact && !(fact === 'attempts' && value === 1) ? [`${fact}=${value}`] : []
  })
  return ended === undefined ? facts : [`${ended}`, ...facts]
}

/** Outcomes of guards that say nothing which the rest of the tree does not. */
const DULL = new Set(['passed', 'executed', 'bypassed'])

/** What a link from this span means. */
export function linkMeaning({ name, attributes }: ReadableSpan): string {
  if (!name.startsWith('idempotency.')) return 'holder that it waited for'
  switch (attributes['holdfast.outcome']) {
    case 'replayed':
      return 'original execution'
    case 'conflict':
      return 'execution in progress'
    default:
      return 'execution that was lost'
  }
}
