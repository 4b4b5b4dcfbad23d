// A table of how many tests have passed, by two things that each test says of itself.

import type { TestCase, TestModule } from 'vitest/node'

interface Count {
  passed: number
  all: number
}

type Counts = Map<string, Count>

/** Where a test is counted; undefined when it is none of the table's. */
export type PlaceOf = (
  test: TestCase,
) => { readonly row: string; readonly column: string } | undefined

/** One line for each row, one column for each of the tests' columns, and one of both for all; undefined when no test that ran counts. */
export function passTable(
  title: string,
  modules: readonly TestModule[],
  placeOf: PlaceOf,
): string | undefined {
  const rows = new Map<string, Counts>()
  const all: Counts = new Map()
  for (const module of modules) {
    for (const test of module.children.allTests()) {
      const place = placeOf(test)
      const { state } = test.result()
      if (!place || state === 'skipped') continue
      const counts: Counts = rows.get(place.row) ?? new Map()
      rows.set(place.row, counts)
      for (const column of [place.column, 'all']) {
        for (const each of [counts, all]) add(each, column, state === 'passed')
      }
    }
  }
  if (rows.size === 0) return undefined
  const named = new Set([...rows.values()].flatMap((counts) => [...counts.keys()]))
  named.delete('all')
  const columns = [...named].toSorted()
  // What stands in the only column stands in all of them.
  if (columns.length > 1) columns.push('all')
  const lines = [
    [title, ...columns],
    ...[...[...rows].toSorted(([a], [b]) => (a < b ? -1 : 1)), ['all', all] as const].map(
      ([row, counts]) => [row, ...columns.map((column) => cell(counts.get(column)))],
    ),
  ]
  const widths = lines[0]?.map((_, at) => Math.max(...lines.map((line) => line[at]?.length ?? 0)))
  return lines
    .map((line) =>
      line
        .map((text, at) =>
          at === 0 ? text.padEnd(widths?.[at] ?? 0) : text.padStart((widths?.[at] ?? 0) + 2),
        )
        .join(''),
    )
    .join('\n')
}

function add(counts: Counts, column: string, hasPassed: boolean): void {
  const count = counts.get(column) ?? { passed: 0, all: 0 }
  counts.set(column, count)
  count.all++
  if (hasPassed) count.passed++
}

function cell(count: Count | undefined): string {
  if (!count) return '-'
  return count.passed === count.all ? `${count.all}` : `${count.passed} of ${count.all}`
}
