// The documents of the project and the programs in them.

import { globSync, readFileSync } from 'node:fs'
import { examplesOf, type Fence, fencesOf } from './fences.ts'

export const root: URL = new URL('../../', import.meta.url)

/** A file of the project. */
export function read(path: string): string {
  return readFileSync(new URL(path, root), 'utf8')
}

/** Every TypeScript program of README.md and docs. */
export function documented(): Fence[] {
  const paths = ['README.md', ...globSync('docs/**/*.md', { cwd: root }).toSorted()]
  return paths.flatMap((path) => fencesOf(path, read(path)))
}

/** Every `@example` of src. */
export function examples(): Fence[] {
  const paths = globSync('src/**/*.ts', { cwd: root }).toSorted()
  return paths.flatMap((path) => examplesOf(path, read(path)))
}
