// A span processor that prints a trace as a tree once all of its spans have ended.
import type { ReadableSpan, SpanProcessor } from '@opentelemetry/sdk-trace'
import { drawTrace } from './trace-tree.ts'

interface Unfinished {
  running: number
  readonly ended: ReadableSpan[]
}

export class TracePrinter implements SpanProcessor {
  readonly #traces = new Map<string, Unfinished>()

  onStart(span: Pick<ReadableSpan, 'spanContext'>): void {
    const { traceId } = span.spanContext()
    const unfinished = this.#traces.get(traceId) ?? { running: 0, ended: [] }
    unfinished.running++
    this.#traces.set(traceId, unfinished)
  }

  onEnd(span: ReadableSpan): void {
    const { traceId } = span.spanContext()
    const unfinished = this.#traces.get(traceId)
    if (!unfinished) return
    unfinished.ended.push(span)
    if (--unfinished.running > 0) return
    this.#traces.delete(traceId)
    console.log(`${drawTrace(unfinished.ended)}\n`)
  }

  async forceFlush(): Promise<void> {}

  async shutdown(): Promise<void> {}
}
