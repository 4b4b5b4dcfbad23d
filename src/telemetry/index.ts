/**
 * The telemetry of holdfast: the catalogue of every span, metric and attribute, and the one way to make them.
 *
 * @module
 */

export { type Ageing, ageing } from './ages.ts'
export { type GuardNote, requestAnnotator } from './annotate.ts'
export { activeTraceparent, apart } from './apart.ts'
export {
  catalogue,
  type FactRow,
  type Facts,
  type FailureRow,
  failures,
  type Gauge,
  guardAttributes,
  type Labels,
  labelRows,
  type MetricName,
  type MetricRow,
  metricRows,
  NAMESPACE,
  type Operation,
  type OperationRow,
} from './catalogue.ts'
export { type Failure, failureOf } from './failure.ts'
export { dropLevel, level, setLevel } from './levels.ts'
export { type Observe, observe, type Watch } from './observe.ts'
export { quietly } from './quietly.ts'
export { count, isRecording, sample } from './record.ts'
