// The vitest reporter that ends a run with the plain line `N passed, N failed`.

import { writeSync } from 'node:fs'
import { relative } from 'node:path'
import type { Reporter, SerializedError, TestCase, TestModule } from 'vitest/node'
import { passTable } from './pass-table.ts'

/** Counts tests, and counts as failed whatever failed outside a test, so that no red run says "0 failed". */
export default class CountReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly SerializedError[]): void {
    let passed = 0
    let failed = unhandledErrors.length
    const failures: string[] = unhandledErrors.map((error) => failure('outside of any test', error))
    for (const module of modules) {
      const results = [...module.children.allTests()].map((test) => test.result().state)
      passed += results.filter((state) => state === 'passed').length
      const failedTests = results.filter((state) => state === 'failed').length
      // A file or a suite that could not be loaded has failed without any failed test.
      failed += failedTests || (module.state() === 'failed' ? 1 : 0)
      for (const test of module.children.allTests()) {
        const { state, errors } = test.result()
        const where = `${module.relativeModuleId} > ${test.fullName}`
        if (state === 'failed') failures.push(failure(where, errors?.[0]))
        else if (test.diagnostic()?.flaky) {
          failures.push(failure(`${where}, and passed when it was tried again`, errors?.[0]))
        }
      }
    }
    const tables = [
      passTable('conformance, row by row', modules, (test) => {
        const column = columnOf(test)
        // In memory alone they are many lines that say little.
        const isWhole = modules.some(({ moduleId }) => moduleId.includes('/live/conformance.'))
        return isWhole && column
          ? { row: `${test.meta().conformance?.subject}: ${test.name}`, column }
          : undefined
      }),
      passTable('conformance', modules, (test) => {
        const column = columnOf(test)
        return column ? { row: `${test.meta().conformance?.subject}`, column } : undefined
      }),
      passTable('contract', modules, (test) => {
        const { contract } = test.meta()
        return contract && { row: contract.store, column: contract.group }
      }),
    ]
    process.once('exit', (code) => {
      for (const table of tables) if (table !== undefined) print(`${table}\n\n`)
      // Once more beneath the tables, because whoever reads a log reads its end.
      for (const text of failures) print(`${text}\n\n`)
      // A run that failed before any test did, in a global setup say, has one failure: itself.
      print(`${passed} passed, ${failed || (code ? 1 : 0)} failed\n`)
    })
  }
}

function failure(where: string, error: SerializedError | undefined): string {
  const [at] = error?.stacks ?? []
  const place = at ? `\n    at ${relative('.', at.file)}:${at.line}` : ''
  return `FAILED ${where}\n    ${error?.message ?? 'without an error'}${place}`
}

/** Writes at once, because nothing is written any more when the process has ended; a pipe may be full for a moment. */
function print(text: string): void {
  for (let rest = Buffer.from(text); rest.length > 0; ) {
    try {
      rest = rest.subarray(writeSync(process.stdout.fd, rest))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
    }
  }
}

/** What a row of the conformance suite ran on; undefined for every other test. */
function columnOf(test: TestCase): string | undefined {
  const { conformance } = test.meta()
  return conformance && `${conformance.framework}, ${conformance.store}`
}
