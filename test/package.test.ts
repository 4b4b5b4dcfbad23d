// The package says the same thing in each of the places that describe it.

import { readFileSync } from 'node:fs'
import ts from 'typescript'
import { expect, test } from 'vitest'
import tsdown from '../tsdown.config.ts'

const root = new URL('../', import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8')
const json = JSON.parse(read('package.json'))
const subpaths = Object.keys(json.exports).filter((path) => path !== './package.json')

test('the version in traces is the version of the package', async () => {
  const { VERSION } = await import('../src/telemetry/version.ts')
  expect(VERSION).toBe(json.version)
})

test('types resolve the same import paths as the package exports', () => {
  const { paths } = ts.parseConfigFileTextToJson('', read('tsconfig.json')).config.compilerOptions
  expect(Object.keys(paths).toSorted()).toEqual(
    subpaths.map((path) => path.replace('.', json.name)).toSorted(),
  )
})

test('the docs are linted for every file that is an import path', () => {
  const { entry } = tsdown as { entry: Record<string, string> }
  expect(JSON.parse(read('typedoc.json')).entryPoints.toSorted()).toEqual(
    Object.values(entry).toSorted(),
  )
  expect(Object.keys(entry)).toHaveLength(subpaths.length)
})

test('nothing is installed with the package but what its user chose', () => {
  expect(json.dependencies).toBeUndefined()
  const optional = Object.keys(json.peerDependenciesMeta)
  const required = Object.keys(json.peerDependencies).filter((name) => !optional.includes(name))
  expect(required).toEqual(['@opentelemetry/api'])
})
