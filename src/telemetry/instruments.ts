// Metric instruments, made lazily for whichever meter provider is registered now.
import {
  type Attributes,
  type Counter,
  createNoopMeter,
  type Histogram,
  type Meter,
  metrics,
} from '@opentelemetry/api'
import { agesOf } from './ages.ts'
import { type MetricName, type MetricRow, metricRows, NAMESPACE } from './catalogue.ts'
import { readings } from './levels.ts'
import { VERSION } from './version.ts'

/** The instruments of one meter provider. */
export interface Instruments {
  readonly histograms: ReadonlyMap<MetricName, Histogram>
  readonly counters: ReadonlyMap<MetricName, Counter>
}

const silent = createNoopMeter()
const byMeter = new WeakMap<Meter, Instruments>()
let lastProvider: unknown
let lastInstruments: Instruments | undefined

/**
 * The instruments of the registered meter provider, or undefined when none is registered.
 *
 * Looked up at every use, because an SDK may be registered long after this module was loaded.
 */
export function instruments(): Instruments | undefined {
  const provider = metrics.getMeterProvider()
  if (provider !== lastProvider) {
    lastProvider = provider
    const meter = provider.getMeter(NAMESPACE, VERSION)
    lastInstruments = meter === silent ? undefined : forMeter(meter)
  }
  return lastInstruments
}

function forMeter(meter: Meter): Instruments {
  const known = byMeter.get(meter)
  if (known) return known
  const histograms = new Map<MetricName, Histogram>()
  const counters = new Map<MetricName, Counter>()
  for (const [name, row] of Object.entries(metricRows) as [MetricName, MetricRow][]) {
    const options = { unit: row.unit, description: row.brief }
    const full = `${NAMESPACE}.${name}`
    if (row.kind === 'histogram') {
      const advice = row.buckets ? { explicitBucketBoundaries: [...row.buckets] } : {}
      histograms.set(name, meter.createHistogram(full, { ...options, advice }))
    } else if (row.kind === 'counter') {
      counters.set(name, meter.createCounter(full, options))
    } else {
      // Observed, not counted: a count of events would start wrong for an SDK registered late.
      const observable =
        row.kind === 'gauge'
          ? meter.createObservableGauge(full, options)
          : meter.createObservableUpDownCounter(full, options)
      observable.addCallback((result) => {
        for (const { value, attributes } of [...readings(name), ...agesOf(name)]) {
          result.observe(value, attributes as Attributes)
        }
      })
    }
  }
  const made = { histograms, counters }
  byMeter.set(meter, made)
  return made
}
