// Samples and counts that belong to no operation's own duration.
import { context } from '@opentelemetry/api'
import type { Gauge, Labels } from './catalogue.ts'
import { instruments } from './instruments.ts'
import { attributesOf } from './levels.ts'

/** Records one value of a histogram, in its own unit. */
export function sample<G extends Gauge>(metric: G, labels: Labels[G], value: number): void {
  const histogram = instruments()?.histograms.get(metric)
  if (histogram) histogram.record(value, attributesOf(metric, labels), context.active())
}

/** Whether anybody would see what is recorded: asked once where several things are. */
export function isRecording(): boolean {
  return instruments() !== undefined
}

/** Adds one to a counter. */
export function count<G extends Gauge>(metric: G, labels: Labels[G]): void {
  const counter = instruments()?.counters.get(metric)
  if (counter) counter.add(1, attributesOf(metric, labels), context.active())
}
