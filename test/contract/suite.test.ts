// The contract suite can fail: each adapter that breaks a promise is found out by the checks of that promise.

import { describe, expect, test } from 'vitest'
import { checkContract, contract } from '../../src/adapters/contract/index.ts'
import { MemoryAdapter } from '../../src/adapters/memory/index.ts'
import { brokenAdapters } from '../support/broken-adapters.ts'
import { memoryStore } from '../support/memory-store.ts'

test('every promise has a name of its own within its group', () => {
  const names = contract.map(({ group, name }) => `${group}: ${name}`)
  expect(new Set(names).size).toBe(names.length)
})

test('a store that keeps every promise passes every check', async () => {
  const { passed, failed, leftOut } = await checkContract(memoryStore())
  expect({ failed, leftOut }).toEqual({ failed: [], leftOut: [] })
  expect(passed).toEqual(contract)
})

test('a store without hooks is only spared the checks that need them', async () => {
  const { open, pass } = memoryStore()
  const { failed, leftOut } = await checkContract({ open, pass })
  expect(failed).toEqual([])
  expect(leftOut.length).toBeGreaterThan(0)
  expect(leftOut).toEqual(contract.filter(({ needs }) => needs === 'lose'))
})

test('a store is disconnected after each check, also when it fails', async () => {
  let open = 0
  const store = memoryStore((adapter) => adapter)
  const counted = {
    ...store,
    open: async () => {
      open++
      const adapter = new MemoryAdapter()
      adapter.disconnect = async () => {
        open--
      }
      // Nothing that one adapter holds is seen by another: checks across processes fail.
      return adapter
    },
  }
  const across = contract.find(({ name }) => name.startsWith('a resource is held against every'))
  await expect(across?.run(counted)).rejects.toThrow('Expected busy')
  expect(open).toBe(0)
})

describe('an adapter that', () => {
  test.each(brokenAdapters)('$name is found out', async ({ make, fails }) => {
    const { failed } = await checkContract(memoryStore(make))
    const names = failed.map(({ check }) => check.name)
    expect(names).toEqual(expect.arrayContaining([...fails]))
  })
})
