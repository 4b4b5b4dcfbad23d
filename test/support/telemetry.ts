// An OpenTelemetry SDK that keeps everything in memory, registered globally as an application's would be.

import { context, metrics, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
  type ViewOptions,
} from '@opentelemetry/sdk-metrics'
import {
  InMemorySpanExporter,
  type ReadableSpan,
  type Sampler,
  SimpleSpanProcessor,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import { type SimpleMetric, simpleMetric } from './simple-metric.ts'

export interface TelemetryOptions {
  /** @defaultValue everything is sampled */
  readonly sampler?: Sampler
  readonly views?: ViewOptions[]
}

export interface TestTelemetry extends AsyncDisposable {
  /** The spans that have ended, in the order in which they did. */
  spans(): ReadableSpan[]
  /** Collects now: every metric that has points, by name. Values are totals since `register`. */
  metrics(): Promise<Map<string, SimpleMetric>>
  /** Forgets the ended spans; metrics go on counting. Register anew for metrics from zero. */
  reset(): void
  /** Takes the SDK away, as if none had ever been registered. */
  unregister(): Promise<void>
}

/** Registers one; a second one at the same time is an error, because the globals are one per process. */
export function register({ sampler, views = [] }: TelemetryOptions = {}): TestTelemetry {
  const spanExporter = new InMemorySpanExporter()
  const tracerProvider = new TracerProvider({
    ...(sampler && { sampler }),
    spanProcessors: [new SimpleSpanProcessor({ exporter: spanExporter })],
  })
  // Cumulative: deltas would turn observed up-down values into differences.
  const metricExporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  const reader = new PeriodicExportingMetricReader({
    exporter: metricExporter,
    exportIntervalMillis: 100_000_000,
  })
  const meterProvider = new MeterProvider({ readers: [reader], views })
  const contextManager = new AsyncLocalStorageContextManager().enable()

  const registered = [
    trace.setGlobalTracerProvider(tracerProvider),
    metrics.setGlobalMeterProvider(meterProvider),
    context.setGlobalContextManager(contextManager),
  ]
  if (registered.includes(false)) {
    throw new Error('Expected no OpenTelemetry SDK to be registered yet: unregister the last one')
  }

  let gone: Promise<void> | undefined
  const unregister = (): Promise<void> => {
    gone ??= (async () => {
      trace.disable()
      metrics.disable()
      context.disable()
      await Promise.all([tracerProvider.shutdown(), meterProvider.shutdown()])
    })()
    return gone
  }
  return {
    spans: () => spanExporter.getFinishedSpans(),
    metrics: async () => {
      metricExporter.reset()
      await reader.forceFlush()
      const collected = metricExporter.getMetrics().flatMap(({ scopeMetrics }) => scopeMetrics)
      return new Map(
        collected
          .flatMap((scope) => scope.metrics)
          .map((metric) => [metric.descriptor.name, simpleMetric(metric)]),
      )
    },
    reset: () => spanExporter.reset(),
    unregister,
    [Symbol.asyncDispose]: unregister,
  }
}
