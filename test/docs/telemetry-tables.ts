// The tables of docs/telemetry.md, drawn from the catalogue that telemetry itself works by.

import {
  type catalogue as Catalogue,
  catalogue,
  type FactRow,
  failures,
  guardAttributes,
  labelRows,
  type MetricRow,
  metricRows,
  NAMESPACE,
  type OperationRow,
} from '../../src/telemetry/index.ts'
import { type Tables, table } from './tables.ts'

const operations = Object.entries(catalogue) as [keyof typeof Catalogue, OperationRow<object>][]
const metrics = Object.entries(metricRows) as [keyof typeof metricRows, MetricRow][]
const factsOf = (row: OperationRow<object>): FactRow[] => Object.values(row.facts)

export const telemetryTables: Tables = {
  spans: () =>
    table(
      ['span', 'what', 'attributes'],
      operations
        .filter(([, { span }]) => span)
        .map(([name, row]) => [
          code(`${name} {name}`),
          row.brief,
          list([...factsOf(row).map(({ attribute }) => attribute), 'error.type']),
        ]),
    ),
  request: () =>
    table(
      ['attribute of the request’s span', 'value'],
      [
        [code(guardAttributes.outcome('{guard}')), 'how the guard judged the request'],
        [code(guardAttributes.replayed), 'whether the answer is a replay'],
      ],
    ),
  metrics: () =>
    table(
      ['metric', 'kind', 'unit', 'what', 'attributes', 'buckets'],
      metrics.map(([name, { kind, unit, brief, buckets = [] }]) => [
        code(`${NAMESPACE}.${name}`),
        kind === 'level' ? 'up-down counter' : kind,
        code(unit),
        brief,
        list(attributesOf(name)),
        buckets.join(' '),
      ]),
    ),
  errors: () =>
    table(
      ['error code', '`holdfast.outcome`', '`error.type`'],
      Object.entries(failures).map(([errorCode, { type, outcome }]) => [
        code(errorCode),
        code(outcome),
        type === undefined ? 'none: no failure of the operation' : code(type),
      ]),
    ),
}

/** What a metric may carry: the labels that it is recorded with, or the facts of the operation that it times. */
function attributesOf(metric: string): string[] {
  const labels = (labelRows as Readonly<Record<string, object>>)[metric]
  if (labels) return Object.values(labels)
  const [, row] = operations.find(([, { duration }]) => duration === metric) ?? []
  if (!row) return []
  const facts = factsOf(row).filter((fact) => fact.metric)
  return [...facts.map(({ attribute }) => attribute), 'error.type']
}

function list(names: readonly string[]): string {
  return names.map(code).join(' ')
}

function code(text: string): string {
  return `\`${text}\``
}
