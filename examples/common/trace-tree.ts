// Draws the spans of one trace as an indented tree: name, duration, outcome, and links to other traces.
import { SpanStatusCode } from '@opentelemetry/api'
import type { ReadableSpan } from '@opentelemetry/sdk-trace'
import { linkMeaning, spanDetails, spanTitle } from './span-text.ts'

interface Row {
  readonly left: string
  readonly span?: ReadableSpan
}

export function drawTrace(spans: readonly ReadableSpan[]): string {
  const sorted = spans.toSorted((a, b) => startOf(a) - startOf(b))
  const ids = new Set(sorted.map(idOf))
  const roots = sorted.filter((span) => !ids.has(parentOf(span)))
  const rows = roots.flatMap((root) => draw(root, sorted, '', ''))
  const width = Math.max(...rows.filter(({ span }) => span).map(({ left }) => left.length)) + 2
  const traceId = sorted[0]?.spanContext().traceId ?? ''
  return [
    `trace ${short(traceId)}`,
    ...rows.map(({ left, span }) => (span ? line(left.padEnd(width), span) : left)),
  ].join('\n')
}

/** The rows of a span and of all below it: `lead` stands before its own row, `indent` before those below. */
function draw(span: ReadableSpan, all: readonly ReadableSpan[], lead: string, indent: string) {
  const children = all.filter((each) => parentOf(each) === idOf(span))
  const rows: Row[] = [{ left: lead + spanTitle(span), span }]
  for (const { context } of span.links) {
    // A request and an acquire repeat the links of what they waited for: these are shown where they belong.
    if (children.some((child) => linksTo(child, context.spanId, all))) continue
    const rail = children.length > 0 ? '│  ' : ''
    rows.push({
      left: `${indent}${rail}↳ link to trace ${short(context.traceId)}, ${linkMeaning(span)}`,
    })
  }
  for (const child of children) {
    const last = child === children.at(-1)
    rows.push(...draw(child, all, indent + (last ? '└─ ' : '├─ '), indent + (last ? '   ' : '│  ')))
  }
  return rows
}

function linksTo(span: ReadableSpan, spanId: string, all: readonly ReadableSpan[]): boolean {
  return (
    span.links.some(({ context }) => context.spanId === spanId) ||
    all.some((each) => parentOf(each) === idOf(span) && linksTo(each, spanId, all))
  )
}

function line(left: string, span: ReadableSpan): string {
  const [seconds, nanoseconds] = span.duration
  const ms = seconds * 1_000 + nanoseconds / 1e6
  const duration = `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`.padStart(8)
  const failed = span.status.code === SpanStatusCode.ERROR ? ['ERROR'] : []
  return [left + duration, ...spanDetails(span), ...failed].join('  ')
}

function short(traceId: string): string {
  return traceId.slice(0, 8)
}

function idOf(span: ReadableSpan): string {
  return span.spanContext().spanId
}

function parentOf(span: ReadableSpan): string {
  return span.parentSpanContext?.spanId ?? ''
}

function startOf({ startTime: [seconds, nanoseconds] }: ReadableSpan): number {
  return seconds * 1e9 + nanoseconds
}
