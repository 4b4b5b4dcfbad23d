// What a table is held to: bounds on our row, and on its lead over the others.

import { spread } from './statistics.ts'
import { type Row, ratioOf, rowOf, type Table, type Target } from './table.ts'

/** Judges a table without targets; undefined when it does not hold what is asked for. */
export type Bound = (table: Omit<Table, 'targets'>) => Target | undefined

interface Terms {
  /** The row that is held to it. */
  readonly of: string
  /** Why it is missed, where that is known. */
  readonly because?: string
}

const round = (value: number): string => value.toFixed(value < 10 ? 2 : 0)

/** The ratio to the base is at least (throughput) or at most (time) this. */
export function ratio(bound: number, { of, because }: Terms): Bound {
  return (table) => {
    const measured = ratioOf(table, of)?.median
    if (measured === undefined) return undefined
    const met = table.unit === 'ops/s' ? measured >= bound : measured <= bound
    const sign = table.unit === 'ops/s' ? '≥' : '≤'
    return {
      text: `${of}: ${round(measured)} of ${table.base}, ${sign} ${bound} wanted`,
      met,
      because,
    }
  }
}

/** The difference to the base is at most this, in the unit of the table. */
export function difference(bound: number, { of, because }: Terms): Bound {
  return (table) => {
    const row = rowOf(table, of)
    const base = rowOf(table, table.base)
    if (!row || !base) return undefined
    const extra = spread(row.values.map((value, at) => value - (base.values[at] as number))).median
    const text = `${of}: +${round(extra)} ${table.unit} over ${table.base}, ≤ +${bound} wanted`
    return { text, met: extra <= bound, because }
  }
}

/** Another column is at most this, upkeep in the background aside. */
export function most(column: string, bound: number, { of, because }: Terms): Bound {
  return (table) => {
    const value = rowOf(table, of)?.more?.[column]
    if (value === undefined) return undefined
    return {
      text: `${of}: ${round(value)} ${column}, ≤ ${bound} wanted`,
      met: value < bound + 0.05,
      because,
    }
  }
}

/** At least this share of the best of the others besides the base, by the medians of the rounds. */
export function share(bound: number, { of, because }: Terms): Bound {
  return (table) => {
    const row = rowOf(table, of)
    const others = table.rows.filter(({ name }) => name !== of && name !== table.base)
    const [best] = others.toSorted((a, b) => speed(b, table.unit) - speed(a, table.unit))
    if (!row || !best) return undefined
    const measured = speed(row, table.unit) / speed(best, table.unit)
    const text = `${of}: ${round(measured)} of the best peer, ${best.name}, ≥ ${bound} wanted`
    return { text, met: measured >= bound, because }
  }
}

function speed({ values }: Row, unit: Table['unit']): number {
  const { median } = spread(values)
  return unit === 'ops/s' ? median : 1 / median
}
