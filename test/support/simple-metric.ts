// The SDK's metric data in a shape that an assertion can be written against.

import type { Attributes } from '@opentelemetry/api'
import { DataPointType, type MetricData } from '@opentelemetry/sdk-metrics'

export interface SimplePoint {
  readonly attributes: Attributes
  /** The sum or the last value; of a histogram the number of measurements. */
  readonly value: number
  /** Of a histogram only: the sum of the measurements. */
  readonly sum?: number
}

export interface SimpleMetric {
  readonly name: string
  readonly unit: string
  readonly description: string
  readonly kind: 'histogram' | 'counter' | 'up_down_counter' | 'gauge'
  /** Of a histogram only: the upper bounds of its buckets. */
  readonly boundaries?: readonly number[]
  readonly points: readonly SimplePoint[]
  /** The value of the points whose attributes include these, added up; 0 when there is none. */
  value(attributes?: Attributes): number
}

export function simpleMetric(metric: MetricData): SimpleMetric {
  const points = metric.dataPoints.map(({ attributes, value }): SimplePoint => {
    if (typeof value === 'number') return { attributes, value }
    const { count, sum } = value
    return sum === undefined ? { attributes, value: count } : { attributes, value: count, sum }
  })
  const boundaries =
    metric.dataPointType === DataPointType.HISTOGRAM
      ? metric.dataPoints[0]?.value.buckets.boundaries
      : undefined
  return {
    name: metric.descriptor.name,
    unit: metric.descriptor.unit,
    description: metric.descriptor.description,
    kind: kindOf(metric),
    ...(boundaries && { boundaries }),
    points,
    value: (wanted = {}) =>
      points
        .filter((point) =>
          Object.entries(wanted).every(([name, value]) => point.attributes[name] === value),
        )
        .reduce((total, point) => total + point.value, 0),
  }
}

function kindOf(metric: MetricData): SimpleMetric['kind'] {
  switch (metric.dataPointType) {
    case DataPointType.SUM:
      return metric.isMonotonic ? 'counter' : 'up_down_counter'
    case DataPointType.GAUGE:
      return 'gauge'
    default:
      return 'histogram'
  }
}
