// A table of results: contestants, what was measured of them, and whether the targets are met.

import { ratios, type Spread, spread } from './statistics.ts'

export interface Row {
  readonly name: string
  /** One for each round. */
  readonly values: readonly number[]
  /** Further columns, such as commands per acquisition. */
  readonly more?: Readonly<Record<string, number | undefined>>
}

export interface Target {
  readonly text: string
  readonly met: boolean
  /** Why it is missed, where that is known. */
  readonly because?: string | undefined
}

export interface Table {
  readonly title: string
  /** `ops/s` is better when higher, times are better when lower. */
  readonly unit: 'ops/s' | 'µs' | 'ms'
  /** The row that ratios are taken to. */
  readonly base?: string | undefined
  readonly rows: readonly Row[]
  readonly targets: readonly Target[]
}

/** The row of a name. */
export function rowOf({ rows }: Pick<Table, 'rows'>, name: string | undefined): Row | undefined {
  return rows.find((row) => row.name === name)
}

/** A row's ratio to the base. */
export function ratioOf(table: Pick<Table, 'rows' | 'base'>, name: string): Spread | undefined {
  const row = rowOf(table, name)
  const base = rowOf(table, table.base)
  return row && base && spread(ratios(row.values, base.values))
}

/** The table as lines of Markdown; without figures when only ratios are to be quoted. */
export function draw(table: Table, { absolute }: { readonly absolute: boolean }): string {
  const { base, rows, title, unit } = table
  const columns = [...new Set(rows.flatMap(({ more = {} }) => Object.keys(more)))]
  const quotes = base === undefined ? relativeToBest(table) : table
  const head = [
    'library',
    ...(absolute ? [unit, 'min – max'] : []),
    `ratio to ${quotes.base}`,
    'min – max',
    ...columns,
  ]
  const body = rows.map((row) => {
    const values = spread(row.values)
    const ratio = ratioOf(quotes, row.name) as Spread
    return [
      row.name,
      ...(absolute ? [figure(values.median), range(values)] : []),
      figure(ratio.median),
      range(ratio),
      ...columns.map((column) => {
        const value = row.more?.[column]
        return value === undefined ? '–' : figure(value)
      }),
    ]
  })
  return [`### ${title}`, '', ...aligned([head, ...body]), '', ...table.targets.map(verdict)].join(
    '\n',
  )
}

/** Without a floor, everybody is compared with the best. */
function relativeToBest({ rows, unit }: Table): { rows: readonly Row[]; base: string } {
  const better = unit === 'ops/s' ? -1 : 1
  const [best] = rows.toSorted(
    (a, b) => better * (spread(a.values).median - spread(b.values).median),
  )
  return { rows, base: best?.name ?? '' }
}

function verdict({ text, met, because }: Target): string {
  return `- ${met ? 'met' : '**missed**'}: ${text}${!met && because ? `. ${because}` : ''}`
}

function range({ min, max }: Spread): string {
  return `${figure(min)} – ${figure(max)}`
}

function figure(value: number): string {
  if (!Number.isFinite(value)) return '∞'
  if (value >= 1_000) return Math.round(value).toLocaleString('en-US')
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2)
}

function aligned(lines: readonly (readonly string[])[]): string[] {
  const [head = [], ...body] = lines
  const widths = head.map((_cell, at) => Math.max(...lines.map((line) => (line[at] ?? '').length)))
  const pad = (cell: string, at: number): string =>
    at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)
  const draw = (cells: readonly string[]): string => `| ${cells.map(pad).join(' | ')} |`
  const rule = widths.map((width, at) =>
    at === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`,
  )
  return [draw(head), draw(rule), ...body.map(draw)]
}
