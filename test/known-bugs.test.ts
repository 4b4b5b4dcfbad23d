// Every bug that is known from other libraries has a test of ours that would show it, or a reason why it cannot occur.

import { expect, test } from 'vitest'
import { read } from './docs/documents.ts'
import { knownBugsTables } from './docs/known-bugs-tables.ts'
import { withTables } from './docs/tables.ts'
import { knownBugs } from './peers/known-bugs.ts'
import { titlesOf } from './peers/titles.ts'

/** G1 to G52 are of one library that has every primitive; P1 to P16 of one library each, by letter where it had several. */
const expected = [
  ...Array.from({ length: 52 }, (_, at) => `G${at + 1}`),
  ...Array.from({ length: 16 }, (_, at) => `P${at + 1}`),
]

test('all of them are listed, each once', () => {
  const ids = knownBugs.map(({ id }) => id)
  expect(new Set(ids).size).toBe(ids.length)
  expect([...new Set(ids.map((id) => id.replace(/[a-z]$/, '')))]).toEqual(expected)
})

test.each(knownBugs)('$id: the tests that are named exist', ({ tests, cannotOccur }) => {
  expect(tests.length > 0 || cannotOccur).toBeTruthy()
  const missing = tests.filter((named) => {
    const [path = '', ...titles] = named.split(' › ')
    return !titlesOf(path).has(titles.join(' › '))
  })
  expect(missing).toEqual([])
})

test('a test that does not exist is found out', () => {
  const titles = titlesOf('test/core/lock.test.ts')
  expect(titles.has('a lock › is granted at once when nobody holds it')).toBe(true)
  expect(titles.has('is granted at once when nobody holds it')).toBe(false)
  expect(titles.has('a lock › is granted')).toBe(false)
})

test('docs/known-bugs.md lists them: run `npx vitest run test/known-bugs.test.ts -u` after a change', async () => {
  const drawn = withTables(read('docs/known-bugs.md'), knownBugsTables)
  await expect(drawn).toMatchFileSnapshot('../docs/known-bugs.md')
})
