// The figures that the benchmarks quote.

import { expect, test } from 'vitest'
import { interleave } from '../../bench/measure/interleave.ts'
import { quantile, ratios, spread, unfairness } from '../../bench/measure/statistics.ts'
import { draw, type Table } from '../../bench/measure/table.ts'
import { difference, most, ratio, share } from '../../bench/measure/targets.ts'
import { microseconds, perSecond } from '../../bench/measure/throughput.ts'

const table: Omit<Table, 'targets'> = {
  title: 'locks',
  unit: 'ops/s',
  base: 'floor',
  rows: [
    { name: 'floor', values: [100, 200, 400] },
    { name: 'ours', values: [80, 180, 200], more: { commands: 2.01 } },
    { name: 'peer', values: [50, 240, 300] },
  ],
}

test('a spread is the median and the ends, in whatever order the values came', () => {
  expect(spread([3, 1, 2])).toEqual({ median: 2, min: 1, max: 3 })
  expect(spread([4, 1, 3, 2]).median).toBe(2.5)
  expect(() => spread([])).toThrow('at least one value')
})

test('a quantile lies between its neighbours', () => {
  const values = [50, 10, 40, 20, 30]
  expect(quantile(values, 0)).toBe(10)
  expect(quantile(values, 1)).toBe(50)
  expect(quantile(values, 0.875)).toBe(45)
})

test('a ratio is taken within a round, so that a machine that becomes slower changes nothing', () => {
  expect(ratios([50, 25, 5], [100, 50, 10])).toEqual([0.5, 0.5, 0.5])
  expect(() => ratios([1], [1, 2])).toThrow('as many values')
})

test('unfairness is infinite when somebody got nothing', () => {
  expect(unfairness([4, 4, 4])).toBe(1)
  expect(unfairness([6, 3])).toBe(2)
  expect(unfairness([5, 0])).toBe(Number.POSITIVE_INFINITY)
})

test('a target is judged by the median of the ratios: more is better for throughput, less for time', () => {
  expect(ratio(0.75, { of: 'ours' })(table)).toEqual({
    text: 'ours: 0.80 of floor, ≥ 0.75 wanted',
    met: true,
  })
  expect(ratio(0.85, { of: 'ours' })(table)?.met).toBe(false)
  expect(ratio(0.85, { of: 'ours' })({ ...table, unit: 'µs' })?.met).toBe(true)
  expect(ratio(0.85, { of: 'nobody' })(table)).toBeUndefined()
})

test('a difference is taken within a round too', () => {
  const times = { ...table, unit: 'µs' } as const
  expect(difference(-20, { of: 'ours' })(times)).toMatchObject({ met: true })
  expect(difference(-21, { of: 'ours' })(times)).toMatchObject({ met: false })
})

test('the best peer is the fastest of the others, and the floor is none', () => {
  expect(share(0.7, { of: 'ours' })(table)).toMatchObject({
    text: 'ours: 0.75 of the best peer, peer, ≥ 0.7 wanted',
    met: true,
  })
  expect(share(0.8, { of: 'ours' })(table)?.met).toBe(false)
})

test('a command of the upkeep among hundreds does not miss a target of two', () => {
  expect(most('commands', 2, { of: 'ours' })(table)?.met).toBe(true)
  expect(most('commands', 1.9, { of: 'ours' })(table)?.met).toBe(false)
})

test('a table that quotes ratios only has no absolute figure', () => {
  const bounds = [{ text: 'ours: too slow', met: false, because: 'It waits.' }]
  expect(draw({ ...table, targets: bounds }, { absolute: false })).toBe(
    [
      '### locks',
      '',
      '| library | ratio to floor |   min – max | commands |',
      '| ------- | -------------: | ----------: | -------: |',
      '| floor   |           1.00 | 1.00 – 1.00 |        – |',
      '| ours    |           0.80 | 0.50 – 0.90 |     2.01 |',
      '| peer    |           0.75 | 0.50 – 1.20 |        – |',
      '',
      '- **missed**: ours: too slow. It waits.',
    ].join('\n'),
  )
})

test('rounds are interleaved, and the first one does not count', async () => {
  const order: string[] = []
  const contestant = (name: string) => ({ name, measure: async () => order.push(name) })
  const measured = await interleave([contestant('a'), contestant('b')], 2)
  expect(order).toEqual(['a', 'b', 'a', 'b', 'a', 'b'])
  expect([...measured]).toEqual([
    ['a', [3, 5]],
    ['b', [4, 6]],
  ])
})

test('a contestant that fails is named', async () => {
  const failing = { name: 'a', measure: () => Promise.reject(new Error('no')) }
  await expect(interleave([failing], 1)).rejects.toThrow('a failed')
})

test('every caller does one operation at a time', async () => {
  const running = new Set<number>()
  let most = 0
  await perSecond(3, 5, async (caller) => {
    expect(running.has(caller)).toBe(false)
    running.add(caller)
    most = Math.max(most, running.size)
    await new Promise((resolve) => setImmediate(resolve))
    running.delete(caller)
  })
  expect(most).toBe(3)
})

test('short operations are counted in batches, one after the other', async () => {
  let done = 0
  expect(await microseconds(0, () => done++)).toBeGreaterThan(0)
  expect(done).toBe(1_000)
})
