// Who may import what below src, as data, and the check of a set of files against it.

import { type ModuleImport, moduleImports } from './module-imports.ts'

interface Rule {
  readonly files: RegExp
  /** Targets of any import: files from the root, packages and built-ins by name. */
  readonly may: readonly RegExp[]
  /** Targets of `import type` only. */
  readonly mayType?: readonly RegExp[]
}

const telemetry = /^src\/telemetry\/index\.ts$/
const adapterSeam = /^src\/core\/(ports|errors|events|expect|checkpoint-store)\.ts$/
const builtin = /^node:/

/** The first rule whose `files` matches is the one that counts; a file without a rule is a violation. */
const rules: readonly Rule[] = [
  {
    files: /^src\/index\.ts$/,
    may: [/^src\/core\//, /^src\/adapters\/memory\/index\.ts$/],
    mayType: [telemetry],
  },
  // The bootstrap is the one file that may know the SDK and the runtime.
  {
    files: /^src\/telemetry\/register\.ts$/,
    may: [/^src\/telemetry\//, /^@opentelemetry\//, builtin],
  },
  { files: /^src\/telemetry\//, may: [/^src\/telemetry\//, /^@opentelemetry\/api$/] },
  {
    files: /^src\/core\/default-adapter\.ts$/,
    may: [/^src\/core\//, telemetry, /^src\/adapters\/memory\//],
  },
  // Not an import, so that core loads where there is no such built-in.
  {
    files: /^src\/core\/current-scope\.ts$/,
    may: [/^src\/core\//, telemetry, /^getBuiltinModule:(node:)?async_hooks$/],
    mayType: [/^node:async_hooks$/],
  },
  { files: /^src\/core\//, may: [/^src\/core\//, telemetry] },
  {
    files: /^src\/adapters\/memory\//,
    may: [/^src\/adapters\/memory\//, adapterSeam, telemetry],
  },
  {
    files: /^src\/adapters\/redis\//,
    may: [/^src\/adapters\/(redis|wire)\//, adapterSeam, telemetry, builtin],
    mayType: [/^ioredis$/],
  },
  {
    files: /^src\/adapters\/postgres\//,
    may: [/^src\/adapters\/(postgres|wire)\//, adapterSeam, telemetry, builtin],
    mayType: [/^pg$/],
  },
  // What the adapters of servers share: how names and labels are written.
  { files: /^src\/adapters\/wire\//, may: [adapterSeam, /^node:crypto$/] },
  {
    files: /^src\/adapters\/contract\//,
    may: [/^src\/adapters\/contract\//, adapterSeam, telemetry, /^node:assert(\/strict)?$/],
  },
  // Not an import either: the engine hashes by WebCrypto where there is no such built-in.
  {
    files: /^src\/middleware\/engine\/sha256\.ts$/,
    may: [/^src\/middleware\/engine\/bytes\.ts$/, /^getBuiltinModule:(node:)?crypto$/],
    mayType: [/^node:crypto$/],
  },
  {
    files: /^src\/middleware\/engine\//,
    may: [/^src\/middleware\/engine\//, /^src\/core\//, telemetry],
  },
  {
    files: /^src\/middleware\/express\//,
    may: [/^src\/middleware\/(express|engine)\//, builtin],
    mayType: [/^src\/core\//, /^express(-serve-static-core)?$/],
  },
  {
    files: /^src\/middleware\/hono\//,
    may: [/^src\/middleware\/(hono|engine)\//, /^hono\//],
    mayType: [/^src\/core\//, /^hono$/, builtin],
  },
]

/** One sentence per import that the rules do not allow. `files` maps paths from the root to sources. */
export function forbiddenImports(files: ReadonlyMap<string, string>): string[] {
  return [...files].flatMap(([path, source]) => {
    const rule = rules.find(({ files }) => files.test(path))
    if (!rule) return [`${path}: no import rule covers this file`]
    return moduleImports(path, source)
      .filter((each) => !isAllowed(each, rule))
      .map((each) => `${path} may not import ${each.specifier}${hint(each, rule)}`)
  })
}

function isAllowed({ target, typeOnly }: ModuleImport, { may, mayType = [] }: Rule): boolean {
  return [...may, ...(typeOnly ? mayType : [])].some((pattern) => pattern.test(target))
}

function hint({ target }: ModuleImport, { mayType = [] }: Rule): string {
  return mayType.some((pattern) => pattern.test(target)) ? ' (only as a type)' : ''
}
