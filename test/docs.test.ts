// The documents say what the code says: programs compile, tables and links are true.

import { existsSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { documented, examples, read, root } from './docs/documents.ts'
import { fencesOf } from './docs/fences.ts'
import { keptHeaders, problems } from './docs/refusals.ts'
import { withTables } from './docs/tables.ts'
import { telemetryTables } from './docs/telemetry-tables.ts'
import { typeErrors } from './docs/type-check.ts'

describe('programs', () => {
  test('every program in README.md, in docs and in an @example compiles; a wrong one is found out', () => {
    expect(documented().length).toBeGreaterThan(5)
    expect(examples().length).toBeGreaterThan(15)
    const wrong = "import { Lock } from 'holdfast'\nnew Lock(undefined, { tll: 1 })\n"
    const programs = [...documented(), ...examples(), { at: 'wrong.md:1', code: wrong }]
    expect(typeErrors(programs)).toEqual([expect.stringMatching(/^wrong\.md:1, line 2: .*'tll'/)])
  }, 60_000)

  test('the program of the README is the example that is run, and has 15 lines at most', () => {
    const [first] = fencesOf('README.md', read('README.md'))
    expect(first?.code).toBe(read('examples/readme.ts'))
    expect(first?.code.trimEnd().split('\n').length).toBeLessThanOrEqual(15)
  })
})

describe('tables', () => {
  test('docs/telemetry.md lists the catalogue: run `npx vitest run test/docs.test.ts -u` after a change', async () => {
    const document = read('docs/telemetry.md')
    await expect(withTables(document, telemetryTables)).toMatchFileSnapshot('../docs/telemetry.md')
  })

  test('docs/http.md lists every problem that a guard answers with, and no other', () => {
    const section = between(read('docs/http.md'), 'problems')
    const listed = [...section.matchAll(/^\| (\d+) \| `(.+?)` \| (yes|–) \|/gm)].map(
      ([, status, type, retries]) => `${status} ${type}${retries === 'yes' ? ' Retry-After' : ''}`,
    )
    expect(listed).toEqual(listed.toSorted(byStatus))
    expect(listed.toSorted()).toEqual(problems().toSorted())
  })

  test('docs/http.md lists the headers that are stored', () => {
    const section = between(read('docs/http.md'), 'headers')
    expect([...section.matchAll(/`(.+?)`/g)].map(([, name]) => name)).toEqual(keptHeaders())
  })
})

describe('links', () => {
  test.each([
    'README.md',
    'CONTRIBUTING.md',
    'docs/guarantees.md',
    'docs/http.md',
    'docs/known-bugs.md',
    'docs/migrating.md',
    'docs/telemetry.md',
  ])('every file that %s links to is there', (path) => {
    const targets = [...read(path).matchAll(/\]\((?!\w+:)([^)#]+)/g)].map(
      ([, target = '']) => target,
    )
    const missing = targets.filter((target) => !existsSync(new URL(target, new URL(path, root))))
    expect(missing).toEqual([])
  })
})

function between(document: string, name: string): string {
  return document.split(`<!-- ${name} -->`)[1]?.split(`<!-- /${name} -->`)[0] ?? ''
}

function byStatus(a: string, b: string): number {
  return Number.parseInt(a, 10) - Number.parseInt(b, 10)
}
