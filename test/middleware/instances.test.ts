// What a guard keeps between requests: one primitive for each store and name, and never more than it can hold.

import { expect, test } from 'vitest'
import { Instances } from '../../src/middleware/engine/instances.ts'

test('a name of a store is made once, and each store has its own', () => {
  const instances = new Instances<object>()
  const [one, two] = [{}, {}]
  const made = instances.get(one, 'a', () => ({}))
  expect(instances.get(one, 'a', () => ({}))).toBe(made)
  expect(instances.get(two, 'a', () => ({}))).not.toBe(made)
  expect(instances.get(one, 'b', () => ({}))).not.toBe(made)
})

test('of too many names the one goes that was not needed for the longest time', () => {
  const instances = new Instances<object>()
  const store = {}
  const first = instances.get(store, '0', () => ({}))
  const second = instances.get(store, '1', () => ({}))
  for (let at = 2; at < 1_500; at++) {
    instances.get(store, String(at), () => ({}))
    expect(instances.get(store, '0', () => ({}))).toBe(first)
  }
  expect(instances.get(store, '1', () => ({}))).not.toBe(second)
})
