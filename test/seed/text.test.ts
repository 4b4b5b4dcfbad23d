// The examples are the documentation's, word for word, and compile as its readers compile them.

import { execFile } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const here = new URL('./', import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, here), 'utf8')

const programs = [...read('patterns.md').matchAll(/^## (.+?)\n\n```ts\n(.*?)^```$/gms)].map(
  ([, name = '', code = '']) => ({ name, code }),
)

test('every program of the documentation is an example, and every example one of them', () => {
  const files = globSync('examples/*.ts', { cwd: fileURLToPath(here) })
  expect(files.map((file) => basename(file, '.ts')).toSorted()).toEqual(
    programs.map(({ name }) => name).toSorted(),
  )
})

test.each(programs)('$name differs only in its imports and one line that drives it', (program) => {
  const [imports, code] = split(read(`examples/${program.name}.ts`))
  expect(imports).toMatch(/^(?:import .*\n)+\n$/)
  expect(code.slice(0, program.code.length)).toBe(program.code)
  expect(code.slice(program.code.length)).toMatch(/^(?:.+\n)?$/)
})

test.each(['tsconfig.json', 'tsconfig.postgres.json'])(
  'the examples compile with %s',
  async (tsconfig) => {
    const tsc = fileURLToPath(new URL('../../node_modules/.bin/tsc', import.meta.url))
    const compiled = promisify(execFile)(tsc, ['-p', tsconfig], { cwd: fileURLToPath(here) })
    const errors = await compiled.then(
      () => '',
      ({ stdout }: { readonly stdout: string }) => stdout,
    )
    expect(errors).toBe('')
  },
)

/** The import lines at the start of a program, with the empty line below them, and the rest. */
function split(program: string): readonly [string, string] {
  const end = program.indexOf('\n\n') + 2
  return [program.slice(0, end), program.slice(end)]
}
