// What a run measured, kept as JSON: one file for each suite.

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { arch, cpus, platform } from 'node:os'
import type { Table } from './measure/table.ts'

const folder = new URL('results/', import.meta.url)

export interface Measured {
  readonly suite: string
  /** When, in ISO 8601. */
  readonly at: string
  readonly rounds: number
  readonly machine: {
    readonly node: string
    readonly platform: string
    readonly cpu: string | undefined
    readonly cores: number
  }
  readonly tables: readonly Table[]
}

/** Keeps what was measured in a suite, in the place of what was before. */
export function keep(suite: string, rounds: number, tables: readonly Table[]): void {
  const processors = cpus()
  const measured: Measured = {
    suite,
    at: new Date().toISOString(),
    rounds,
    machine: {
      node: process.version,
      platform: `${platform()} ${arch()}`,
      cpu: processors[0]?.model,
      cores: processors.length,
    },
    tables,
  }
  mkdirSync(folder, { recursive: true })
  writeFileSync(new URL(`${suite}.json`, folder), `${JSON.stringify(measured, null, 2)}\n`)
}

/** What is kept, by the names of the suites. */
export function kept(): Measured[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith('.json'))
    .toSorted()
    .map((file) => JSON.parse(readFileSync(new URL(file, folder), 'utf8'), revived) as Measured)
}

/** JSON has no infinity, which is what an unfair lock measures, and writes null. */
function revived(_key: string, value: unknown): unknown {
  return value === null ? Number.POSITIVE_INFINITY : value
}
