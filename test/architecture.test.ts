// The house keeps its plan: the layout, who may import what, and how files are named and opened.

import { existsSync, globSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { importCycles } from './support/import-cycles.ts'
import { forbiddenImports } from './support/import-rules.ts'
import { literalGetters } from './support/literal-getters.ts'

const root = new URL('../', import.meta.url)
const read = (pattern: string): Map<string, string> =>
  new Map(
    globSync(pattern, { cwd: root, exclude: ['**/node_modules/**'] })
      .map((path) => path.replaceAll('\\', '/'))
      .toSorted()
      .map((path) => [path, readFileSync(new URL(path, root), 'utf8')]),
  )
const modules = read('src/**/*.ts')
const everything = read('{src,test,examples,bench}/**/*.{ts,lua,sql}')

describe('the layout', () => {
  test.each([
    'src/core',
    'src/middleware',
    'src/telemetry',
    'src/adapters',
    'examples/express',
    'examples/hono',
    'test',
    'package.json',
    'tsconfig.json',
  ])('%s exists', (path) => {
    expect(existsSync(new URL(path, root))).toBe(true)
  })
})

describe('imports', () => {
  test('the files that are checked are there', () => {
    expect(modules.size).toBeGreaterThan(10)
  })

  test('every import of src is one that its folder may make', () => {
    expect(forbiddenImports(modules)).toEqual([])
  })

  test('nothing in src imports itself in a circle', () => {
    expect(importCycles(modules)).toEqual([])
  })

  test.each([
    ['src/core/lock.ts', `import { span } from '../telemetry/observe.ts'`],
    ['src/core/lock.ts', `import { MemoryAdapter } from '../adapters/memory/index.ts'`],
    ['src/core/lock.ts', `import { trace } from '@opentelemetry/api'`],
    ['src/core/lock.ts', `import type { Redis } from 'ioredis'`],
    ['src/core/lock.ts', `import { randomUUID } from 'node:crypto'`],
    ['src/core/lock.ts', `export * from '../middleware/engine/index.ts'`],
    ['src/core/lock.ts', `const fs = await import('node:fs')`],
    ['src/core/lock.ts', `const hooks = process.getBuiltinModule('node:async_hooks')`],
    ['src/core/current-scope.ts', `import { AsyncLocalStorage } from 'node:async_hooks'`],
    ['src/core/default-adapter.ts', `import { RedisAdapter } from '../adapters/redis/index.ts'`],
    ['src/telemetry/observe.ts', `import { Lock } from '../core/lock.ts'`],
    ['src/telemetry/observe.ts', `import { NodeSDK } from '@opentelemetry/sdk-node'`],
    ['src/adapters/memory/index.ts', `import { Lock } from '../../core/lock.ts'`],
    ['src/adapters/memory/index.ts', `import { createHash } from 'node:crypto'`],
    ['src/adapters/redis/index.ts', `import { MemoryAdapter } from '../memory/index.ts'`],
    ['src/adapters/redis/index.ts', `import { Redis } from 'ioredis'`],
    ['src/adapters/redis/index.ts', `import { type Redis } from 'ioredis'`],
    ['src/adapters/redis/index.ts', `import { Store } from '../postgres/store.ts'`],
    ['src/adapters/postgres/index.ts', `import { Pool } from 'pg'`],
    ['src/adapters/postgres/index.ts', `import { escapeName } from '../redis/keys.ts'`],
    ['src/adapters/contract/index.ts', `import { test } from 'vitest'`],
    ['src/middleware/engine/decide.ts', `import { Hono } from 'hono'`],
    ['src/middleware/engine/decide.ts', `import type { Request } from 'express'`],
    ['src/middleware/engine/decide.ts', `import { Buffer } from 'node:buffer'`],
    ['src/middleware/express/index.ts', `import express from 'express'`],
    ['src/middleware/express/index.ts', `import { Lock } from '../../core/lock.ts'`],
    ['src/middleware/express/index.ts', `import { lock } from '../hono/index.ts'`],
    ['src/middleware/hono/index.ts', `import { Hono } from 'hono'`],
    ['src/index.ts', `export { RedisAdapter } from './adapters/redis/index.ts'`],
    ['src/extras/index.ts', ''],
  ])('%s is found out when it says: %s', (path, source) => {
    expect(forbiddenImports(new Map([[path, source]]))).toHaveLength(1)
  })

  test('what the rules allow is not found', () => {
    const allowed = new Map([
      ['src/core/lock.ts', `import { observe } from '../telemetry/index.ts'`],
      ['src/core/current-scope.ts', `const hooks = process.getBuiltinModule('node:async_hooks')`],
      ['src/core/default-adapter.ts', `import { M } from '../adapters/memory/index.ts'`],
      ['src/adapters/redis/index.ts', `import type { Redis } from 'ioredis'`],
      ['src/adapters/postgres/store.ts', `import { escapeName } from '../wire/keys.ts'`],
      ['src/middleware/express/index.ts', `import type { Lock } from '../../core/lock.ts'`],
      ['src/middleware/hono/index.ts', `import { routePath } from 'hono/route'`],
    ])
    expect(forbiddenImports(allowed)).toEqual([])
  })

  test('a circle is found, also one of types', () => {
    const circle = new Map([
      ['src/core/a.ts', `import './b.ts'`],
      ['src/core/b.ts', `import type { C } from './c.ts'`],
      ['src/core/c.ts', `export { a } from './a.ts'`],
    ])
    expect(importCycles(circle)).toEqual([
      'src/core/a.ts -> src/core/b.ts -> src/core/c.ts -> src/core/a.ts',
    ])
  })
})

describe('objects of every call', () => {
  // V8 gives each object with a getter of its own a shape of its own, and keeps what the getter closes over with it: a
  // fourth of what requests allocate then outlives them. Getters of a class are shared.
  test('core and middlewares make no object literals with getters', () => {
    const found = [...modules]
      .filter(([path]) => !path.startsWith('src/adapters/'))
      .flatMap(([path, source]) => literalGetters(source).map((line) => `${path}:${line}`))
    expect(found).toEqual([])
    expect(literalGetters('const a = {\n  get b() { return 1 } }')).toEqual([2])
    expect(literalGetters('class A { get b() { return 1 } }')).toEqual([])
  })
})

describe('files', () => {
  const startsWithComment = (source: string) => /^(\/\/|\/\*|--)/.test(source)
  const saysNothing = (path: string) => /(^|[/.-])(util|helper|manager|base)s?(?=[/.-])/.test(path)

  // Not the examples, which are the text of a document to the letter.
  const isOurs = (path: string) => !path.startsWith('test/seed/examples/')

  test('every file opens with a comment that says what it is', () => {
    const silent = [...everything].filter(
      ([path, source]) => isOurs(path) && !startsWithComment(source),
    )
    expect(silent.map(([path]) => path)).toEqual([])
    expect(startsWithComment(`import x from './x.ts'`)).toBe(false)
  })

  test('no file is named for being useful to others', () => {
    expect([...everything.keys()].filter(saysNothing)).toEqual([])
    expect(saysNothing('src/core/lock-utils.ts')).toBe(true)
    expect(saysNothing('src/helpers/lock.ts')).toBe(true)
    expect(saysNothing('src/core/database.ts')).toBe(false)
  })

  test('every file name is in kebab-case', () => {
    const kebab = /^([a-z0-9._-]+\/)*[a-z0-9]+([._-][a-z0-9]+)*$/
    expect([...everything.keys()].filter((path) => !kebab.test(path))).toEqual([])
  })
})
