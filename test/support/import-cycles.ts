// Finds import cycles among a set of files.

import { moduleImports } from './module-imports.ts'

/** One line per cycle, as `a.ts -> b.ts -> a.ts`; imports of types count too. */
export function importCycles(files: ReadonlyMap<string, string>): string[] {
  const done = new Set<string>()
  const cycles: string[] = []
  const visit = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path)
    if (at >= 0) cycles.push([...trail.slice(at), path].join(' -> '))
    if (at >= 0 || done.has(path)) return
    const source = files.get(path)
    if (source === undefined) return
    for (const { target } of moduleImports(path, source)) visit(target, [...trail, path])
    done.add(path)
  }
  for (const path of files.keys()) visit(path, [])
  return cycles
}
