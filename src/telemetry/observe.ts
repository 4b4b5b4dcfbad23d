// The one place that makes spans and records how operations ended.
import {
  type Attributes,
  context,
  isSpanContextValid,
  type Span,
  SpanStatusCode,
  type Tracer,
  trace,
} from '@opentelemetry/api'
import { catalogue, type Facts, type Operation, type OperationRow } from './catalogue.ts'
import { failureOf } from './failure.ts'
import { instruments } from './instruments.ts'
import { parseTraceparent, traceparentOf } from './traceparent.ts'
import { tracer } from './tracer.ts'

/** What an observed piece of work may tell while it runs. */
export interface Watch<O extends Operation> {
  /** Adds facts to the span and to the metrics. */
  note(facts: Partial<Facts[O]>): void
  /** Links the span to another one, usually of another process. */
  link(traceparent: string | undefined): void
  /** The W3C traceparent of the span, or undefined when nothing is traced. */
  readonly traceparent: string | undefined
}

/** The shape of {@link observe}, so that tests can pass another. */
export type Observe = <O extends Operation, T>(
  operation: O,
  facts: Partial<Facts[O]>,
  work: (watch: Watch<O>) => Promise<T>,
) => Promise<T>

/** Runs `work` as an operation of the catalogue: one span, one sample, the error rethrown untouched. */
export const observe: Observe = (operation, facts, work) => {
  const tracing = catalogue[operation].span ? tracer() : undefined
  // Nothing listens: the work is all that there is to do.
  return tracing || instruments() ? watched(tracing, operation, facts, work) : work(SILENT)
}

const SILENT: Watch<never> = { note: () => {}, link: () => {}, traceparent: undefined }

async function watched<O extends Operation, T>(
  tracing: Tracer | undefined,
  operation: O,
  facts: Partial<Facts[O]>,
  work: (watch: Watch<O>) => Promise<T>,
): Promise<T> {
  const row: OperationRow<Facts[O]> = catalogue[operation]
  const { name } = facts as { name?: string }
  const spanName = name === undefined ? operation : `${operation} ${name}`
  const span = tracing?.startSpan(spanName, { attributes: spanAttributes(row, facts) })
  const watch = new Watching(row, span, facts)
  const started = performance.now()
  try {
    const result = await watch.run(work)
    watch.conclude(row.success)
    return result
  } catch (error) {
    watch.fail(error)
    throw error
  } finally {
    watch.end((performance.now() - started) / 1000)
  }
}

function spanAttributes(row: OperationRow<unknown>, facts: object): Attributes {
  const attributes: Attributes = {}
  const rows = row.facts as Readonly<Record<string, { attribute: string }>>
  for (const [fact, value] of Object.entries(facts)) {
    const known = rows[fact]
    if (known && value !== undefined) attributes[known.attribute] = value
  }
  return attributes
}

class Watching<O extends Operation> implements Watch<O> {
  readonly #row: OperationRow<Facts[O]>
  readonly #span: Span | undefined
  readonly #recording: boolean
  #facts: Partial<Facts[O]>
  #errorType: string | undefined
  #linked: Set<string> | undefined

  constructor(row: OperationRow<Facts[O]>, span: Span | undefined, facts: Partial<Facts[O]>) {
    this.#row = row
    this.#span = span
    this.#recording = span?.isRecording() ?? false
    this.#facts = facts
  }

  get traceparent(): string | undefined {
    return traceparentOf(this.#span)
  }

  /** Notes the outcome, unless the work noted one itself. */
  conclude(outcome: string | undefined): void {
    const { outcome: noted } = this.#facts as { outcome?: string }
    if (noted === undefined && outcome !== undefined) this.note({ outcome } as never)
  }

  run<T>(work: (watch: Watch<O>) => Promise<T>): Promise<T> {
    const span = this.#span
    // A span that is not real has no children to gather.
    if (!span || !isSpanContextValid(span.spanContext())) return work(this)
    return context.with(trace.setSpan(context.active(), span), work, undefined, this)
  }

  note(facts: Partial<Facts[O]>): void {
    this.#facts = { ...this.#facts, ...facts }
    if (this.#recording) this.#span?.setAttributes(spanAttributes(this.#row, facts))
  }

  link(traceparent: string | undefined): void {
    if (!this.#recording || traceparent === undefined) return
    // Who is waited for is often who was there before, too: one link says it.
    this.#linked ??= new Set()
    if (this.#linked.has(traceparent)) return
    this.#linked.add(traceparent)
    const linked = parseTraceparent(traceparent)
    if (linked) this.#span?.addLink({ context: linked })
  }

  fail(error: unknown): void {
    const { type, outcome, message } = failureOf(error)
    this.note({ outcome } as never)
    if (type === undefined) return
    this.#errorType = type
    if (!this.#recording) return
    this.#span?.setAttribute('error.type', type)
    this.#span?.setStatus(
      message === undefined
        ? { code: SpanStatusCode.ERROR }
        : { code: SpanStatusCode.ERROR, message },
    )
  }

  end(seconds: number): void {
    this.#span?.end()
    const histogram = this.#row.duration && instruments()?.histograms.get(this.#row.duration)
    if (histogram) histogram.record(seconds, this.#labels(), context.active())
  }

  #labels(): Attributes {
    const labels: Attributes =
      this.#errorType === undefined ? {} : { 'error.type': this.#errorType }
    for (const [fact, { attribute, metric }] of Object.entries(this.#row.facts) as [
      keyof Facts[O],
      { attribute: string; metric: boolean },
    ][]) {
      const value = this.#facts[fact] as string | undefined
      if (metric && value !== undefined) labels[attribute] = value
    }
    return labels
  }
}
