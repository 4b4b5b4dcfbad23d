// Checkpoints at the level of an adapter: in order, checked when they are read, and refused when they come too late.

import { describe, expect, expectTypeOf, test } from 'vitest'
import {
  type Checkpoint,
  isInvalidArgumentError,
  isStaleCheckpointError,
  isStoreCorruptError,
  MemoryAdapter,
} from '../../src/index.ts'
import { fakeTime } from '../support/fake-time.ts'

const time = fakeTime()
const DAY = 86_400_000

function at(sequence: number, state: unknown = { done: sequence }): Checkpoint {
  return { taskId: 'import', sequence, timestamp: 1_700_000_000_000 + sequence, state }
}

describe('a saved checkpoint', () => {
  test('is the latest one, with all that was said of it', async () => {
    const adapter = new MemoryAdapter()
    expect(await adapter.loadLatestCheckpoint('import')).toBeUndefined()
    await adapter.saveCheckpoint(at(0))
    await adapter.saveCheckpoint({ ...at(7), progress: 0.5 })
    expect(await adapter.loadLatestCheckpoint('import')).toEqual({ ...at(7), progress: 0.5 })
  })

  test('is found by its sequence, and listed with the others, the latest first', async () => {
    const adapter = new MemoryAdapter()
    for (const sequence of [1, 2, 3]) await adapter.saveCheckpoint(at(sequence))
    expect(await adapter.loadCheckpoint('import', 2)).toEqual(at(2))
    expect(await adapter.loadCheckpoint('import', 4)).toBeUndefined()
    expect(await adapter.listCheckpoints('import')).toEqual([at(3), at(2), at(1)])
  })

  test('replaces the one of the same sequence, so that a resumed loop may save its first step again', async () => {
    const adapter = new MemoryAdapter()
    await adapter.saveCheckpoint(at(100, 'before the crash'))
    await adapter.saveCheckpoint(at(100, 'after it'))
    expect(await adapter.listCheckpoints('import')).toEqual([at(100, 'after it')])
  })

  test('is refused when a later one is saved already, and changes nothing', async () => {
    const adapter = new MemoryAdapter()
    await adapter.saveCheckpoint(at(5))
    const late = adapter.saveCheckpoint(at(4))
    await expect(late).rejects.toSatisfy(isStaleCheckpointError)
    await expect(late).rejects.toMatchObject({
      key: 'import',
      current: { token: 0, sequence: 5 },
      message:
        "A checkpoint of 'import' came too late: checkpoint 5 was saved before, and this is 4",
    })
    expect(await adapter.listCheckpoints('import')).toEqual([at(5)])
  })

  test('belongs to its task alone', async () => {
    const adapter = new MemoryAdapter()
    await adapter.saveCheckpoint(at(5))
    await adapter.saveCheckpoint({ ...at(1), taskId: 'export' })
    expect(await adapter.loadLatestCheckpoint('export')).toMatchObject({ sequence: 1 })
  })

  test('has the state that its reader says, or any', async () => {
    const adapter = new MemoryAdapter()
    const any = await adapter.loadLatestCheckpoint('import')
    const next: number = any?.state?.next ?? 0
    const typed = await adapter.loadLatestCheckpoint<{ next: number }>('import')
    expectTypeOf(typed?.state).toEqualTypeOf<{ next: number } | undefined>()
    expect(next).toBe(0)
  })
})

describe('of a task are kept', () => {
  test('the last ten, or as many as is said', async () => {
    const adapter = new MemoryAdapter()
    for (let sequence = 1; sequence <= 12; sequence++) await adapter.saveCheckpoint(at(sequence))
    expect(await adapter.listCheckpoints('import')).toHaveLength(10)
    await adapter.saveCheckpoint(at(13), { keep: 2 })
    expect((await adapter.listCheckpoints('import')).map(({ sequence }) => sequence)).toEqual([
      13, 12,
    ])
  })

  test('as many as a clean-up leaves', async () => {
    const adapter = new MemoryAdapter()
    for (const sequence of [1, 2, 3]) await adapter.saveCheckpoint(at(sequence))
    expect(await adapter.cleanupCheckpoints('import', 1)).toBe(2)
    expect(await adapter.listCheckpoints('import')).toEqual([at(3)])
    expect(await adapter.cleanupCheckpoints('import', 1)).toBe(0)
  })

  test('none, once they are deleted: the task may begin anew', async () => {
    const adapter = new MemoryAdapter()
    await adapter.saveCheckpoint(at(5))
    await adapter.deleteAllCheckpoints('import')
    expect(await adapter.listCheckpoints('import')).toEqual([])
    await adapter.saveCheckpoint(at(0))
    expect(await adapter.loadLatestCheckpoint('import')).toEqual(at(0))
  })

  test('those of the last thirty days, or as long as is said', async () => {
    const adapter = new MemoryAdapter()
    await adapter.saveCheckpoint(at(1))
    await time.pass(29 * DAY)
    expect(await adapter.loadLatestCheckpoint('import')).toEqual(at(1))
    await adapter.saveCheckpoint(at(2), { ttl: 1_000 })
    await time.pass(1_001)
    expect(await adapter.loadLatestCheckpoint('import')).toBeUndefined()
  })
})

describe('what the store answers is checked', () => {
  async function stored(value: string): Promise<MemoryAdapter> {
    const adapter = new MemoryAdapter()
    await adapter.histories.append({
      history: 'checkpoint:import',
      token: 0,
      sequence: 1,
      value,
      keep: 1,
      ttl: DAY,
      meta: {},
    })
    return adapter
  }

  async function written(): Promise<string> {
    const adapter = new MemoryAdapter()
    await adapter.saveCheckpoint(at(1))
    return (await adapter.histories.read('checkpoint:import'))?.value ?? ''
  }

  test('what was written is read', async () => {
    const adapter = await stored(await written())
    expect(await adapter.loadLatestCheckpoint('import')).toEqual(at(1))
  })

  test.each([
    ['a digit has changed', (text: string) => text.replace('"done":1', '"done":2')],
    ['the end is missing', (text: string) => text.slice(0, -10)],
    ['something was added', (text: string) => `${text} `],
    ['it is of a later version', (text: string) => text.replace('"v":1', '"v":2')],
    ['it is something else', () => 'hello'],
    ['it is empty', () => ''],
  ])('when %s, it is refused and left as it is', async (_how, damage) => {
    const damaged = damage(await written())
    const adapter = await stored(damaged)
    await expect(adapter.loadLatestCheckpoint('import')).rejects.toSatisfy(isStoreCorruptError)
    await expect(adapter.listCheckpoints('import')).rejects.toMatchObject({ key: 'import' })
    expect((await adapter.histories.read('checkpoint:import'))?.value).toBe(damaged)
  })
})

describe('a checkpoint is refused before it is sent', () => {
  const circle: Record<string, unknown> = {}
  circle.self = circle

  test.each<[string, Partial<Record<keyof Checkpoint, unknown>>]>([
    ['without a task', { taskId: '' }],
    ['with a negative sequence', { sequence: -1 }],
    ['with a sequence that is no integer', { sequence: 1.5 }],
    ['with a timestamp that is none', { timestamp: Number.NaN }],
    ['with a progress beyond all', { progress: 1.1 }],
    ['with a state that holds itself', { state: circle }],
    ['with a bigint in its state', { state: { big: 1n } }],
    ['with a state of more than a megabyte', { state: 'x'.repeat(1_048_576) }],
  ])('%s', async (_how, wrong) => {
    const adapter = new MemoryAdapter()
    const saving = adapter.saveCheckpoint({ ...at(1), ...wrong } as Checkpoint)
    await expect(saving).rejects.toSatisfy(isInvalidArgumentError)
    expect(await adapter.loadLatestCheckpoint('import')).toBeUndefined()
  })

  test.each([{ keep: 0 }, { keep: 1.5 }, { ttl: -1 }, { maxBytes: 0 }, null])(
    'with the options %j',
    async (options) => {
      const adapter = new MemoryAdapter()
      await expect(adapter.saveCheckpoint(at(1), options as object)).rejects.toSatisfy(
        isInvalidArgumentError,
      )
    },
  )

  test('and so are questions for a task or sequence that cannot be', async () => {
    const adapter = new MemoryAdapter()
    for (const asked of [
      () => adapter.loadLatestCheckpoint('\ud800'),
      () => adapter.loadCheckpoint('import', -1),
      () => adapter.listCheckpoints(7 as never),
      () => adapter.cleanupCheckpoints('import', -1),
      () => adapter.deleteAllCheckpoints(''),
    ]) {
      await expect(asked()).rejects.toSatisfy(isInvalidArgumentError)
    }
  })
})

test('a state of nothing stays nothing, and a null stays null', async () => {
  const adapter = new MemoryAdapter()
  await adapter.saveCheckpoint({ ...at(1), state: undefined })
  expect(await adapter.loadLatestCheckpoint('import')).toEqual({ ...at(1), state: undefined })
  await adapter.saveCheckpoint(at(2, null))
  expect(await adapter.loadLatestCheckpoint('import')).toEqual(at(2, null))
})
