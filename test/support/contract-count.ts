// The line that says how many checks of the contract each store has passed.

import type { TestModule } from 'vitest/node'

/** Such as `contract: memory 80 · redis 79 of 80`; undefined when no test was a contract check. */
export function contractLine(modules: readonly TestModule[]): string | undefined {
  const counts = new Map<string, { passed: number; all: number }>()
  for (const module of modules) {
    for (const test of module.children.allTests()) {
      const { contract } = test.meta()
      if (contract === undefined) continue
      const count = counts.get(contract) ?? { passed: 0, all: 0 }
      counts.set(contract, count)
      count.all++
      if (test.result().state === 'passed') count.passed++
    }
  }
  if (counts.size === 0) return undefined
  const each = [...counts].map(([store, { passed, all }]) =>
    passed === all ? `${store} ${all}` : `${store} ${passed} of ${all}`,
  )
  return `contract: ${each.join(' · ')}`
}
