// How many of something there are now, kept at all times so that an SDK registered late observes the truth.
import type { Attributes } from '@opentelemetry/api'
import { type Gauge, type Labels, labelRows } from './catalogue.ts'

/** What an instrument is told when it observes. */
export interface Reading {
  readonly value: number
  readonly attributes: Attributes
}

interface Level extends Reading {
  value: number
}

const levels = new Map<string, Map<string, Level>>()

/** Raises (or, negative, lowers) a level by `change`. */
export function level<G extends Gauge>(gauge: G, labels: Labels[G], change: number): void {
  reading(gauge, labels).value += change
}

/** Sets a level that is configured rather than counted. */
export function setLevel<G extends Gauge>(gauge: G, labels: Labels[G], value: number): void {
  reading(gauge, labels).value = value
}

/** Stops telling a level, because there is none now. */
export function dropLevel<G extends Gauge>(gauge: G, labels: Labels[G]): void {
  levels.get(gauge)?.delete(idOf(labels))
}

/** The current readings of a gauge. */
export function readings(gauge: string): Iterable<Reading> {
  return levels.get(gauge)?.values() ?? []
}

function reading<G extends Gauge>(gauge: G, labels: Labels[G]): Level {
  let series = levels.get(gauge)
  if (!series) {
    series = new Map()
    levels.set(gauge, series)
  }
  const id = idOf(labels)
  let found = series.get(id)
  if (!found) {
    found = { value: 0, attributes: attributesOf(gauge, labels) }
    series.set(id, found)
  }
  return found
}

/** The series that a set of labels belongs to. */
export function idOf(labels: object): string {
  return Object.values(labels).join('\u0000')
}

/** The metric attributes of a set of labels. */
export function attributesOf<G extends Gauge>(gauge: G, labels: Labels[G]): Attributes {
  const rows = labelRows[gauge]
  const attributes: Attributes = {}
  for (const key of Object.keys(labels) as (keyof Labels[G])[]) {
    const value = labels[key] as string | number | undefined
    if (value !== undefined) attributes[rows[key]] = value
  }
  return attributes
}
