// The table that says how many rows of the conformance suite each framework has passed on each store.

import type { TestModule } from 'vitest/node'

interface Count {
  passed: number
  all: number
}

/** One line per framework, one column per store; undefined when no test was a row of the suite. */
export function conformanceTable(modules: readonly TestModule[]): string | undefined {
  const frameworks = new Map<string, Map<string, Count>>()
  const stores = new Set<string>()
  for (const module of modules) {
    for (const test of module.children.allTests()) {
      const { conformance } = test.meta()
      if (!conformance) continue
      const { framework, store } = conformance
      stores.add(store)
      const counts = frameworks.get(framework) ?? new Map<string, Count>()
      frameworks.set(framework, counts)
      const count = counts.get(store) ?? { passed: 0, all: 0 }
      counts.set(store, count)
      count.all++
      if (test.result().state === 'passed') count.passed++
    }
  }
  if (frameworks.size === 0) return undefined
  const columns = [...stores].toSorted()
  const lines = [
    ['conformance', ...columns],
    ...[...frameworks]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([framework, counts]) => [
        framework,
        ...columns.map((store) => cell(counts.get(store))),
      ]),
  ]
  return lines
    .map(([name = '', ...cells]) => [name.padEnd(12), ...cells.map(padded)].join(''))
    .join('\n')
}

function cell(count: Count | undefined): string {
  if (!count) return '-'
  return count.passed === count.all ? `${count.all}` : `${count.passed} of ${count.all}`
}

function padded(text: string): string {
  return text.padStart(12)
}
