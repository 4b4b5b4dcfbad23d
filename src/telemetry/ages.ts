// How long ago something last happened, observed and not recorded, so that it grows while nothing happens.
import type { Attributes } from '@opentelemetry/api'
import type { Gauge, Labels } from './catalogue.ts'
import { attributesOf, idOf, type Reading } from './levels.ts'

/** Something whose age is told. */
export interface Ageing {
  /** It has happened now. */
  renew(): void
  /** Its age is told no more. */
  stop(): void
}

class Age implements Reading {
  readonly attributes: Attributes
  readonly since: Map<object, number> = new Map()

  constructor(attributes: Attributes) {
    this.attributes = attributes
  }

  get value(): number {
    return (performance.now() - Math.min(...this.since.values())) / 1000
  }
}

const ages = new Map<string, Map<string, Age>>()

/** Tells how long ago something has happened, in seconds; of several with the same labels, the longest ago. */
export function ageing<G extends Gauge>(gauge: G, labels: Labels[G]): Ageing {
  const series = ages.get(gauge) ?? new Map<string, Age>()
  ages.set(gauge, series)
  const id = idOf(labels)
  const age = series.get(id) ?? new Age(attributesOf(gauge, labels))
  series.set(id, age)
  const one = {}
  const renew = (): void => void age.since.set(one, performance.now())
  renew()
  return {
    renew,
    stop: () => {
      age.since.delete(one)
      if (age.since.size === 0 && series.get(id) === age) series.delete(id)
    },
  }
}

/** The current ages of a gauge. */
export function agesOf(gauge: string): Iterable<Reading> {
  return ages.get(gauge)?.values() ?? []
}
