// Histories: ordered entries that one fenced writer at a time adds to.
import assert from 'node:assert/strict'
import type { HistoryMark, HistoryReply } from '../../core/ports.ts'
import { type ContractCheck, checks } from './check.ts'
import { hostileNames } from './hostile-names.ts'
import { within } from './replies.ts'
import { entry, LONG, SHORT } from './requests.ts'

const WRITERS = 20
const VALUES = ['', 'null', 'two\nlines\u0000 and a NUL', '😀"; --', 'x'.repeat(300_000)]

function current<T>(reply: HistoryReply<T>): asserts reply is { readonly state: 'current' } & T {
  assert.equal(reply.state, 'current', `Expected to be current, got ${JSON.stringify(reply)}`)
}

function stale(reply: HistoryReply, mark: HistoryMark): void {
  assert.deepEqual(reply, { state: 'stale', current: mark })
}

/** The promises of the port `histories`. */
export const historyChecks: readonly ContractCheck[] = checks('histories', {
  'an entry is read as it was written, by every process': async (trial) => {
    const { histories } = trial
    const other = (await trial.open()).histories
    const meta = { traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`, owner: 'a:b' }
    for (const [sequence, value] of VALUES.entries()) {
      current(await histories.append(entry(trial.name, 7, sequence, { value, meta })))
      const latest = await other.read(trial.name)
      assert.ok(latest?.value === value, `Value ${sequence} was changed`)
      assert.deepEqual([latest?.sequence, latest?.meta], [sequence, meta])
    }
  },

  'entries are found by sequence, and listed with the latest first': async ({
    name,
    histories,
  }) => {
    for (const sequence of [0, 9, 10, 100, 2 ** 53 - 1]) {
      current(await histories.append(entry(name, 1, sequence)))
    }
    const listed = await histories.list(name)
    assert.deepEqual(
      listed.map(({ sequence }) => sequence),
      [2 ** 53 - 1, 100, 10, 9, 0],
    )
    assert.deepEqual(await histories.read(name), listed[0])
    for (const each of listed) assert.deepEqual(await histories.read(name, each.sequence), each)
    assert.equal(await histories.read(name, 50), undefined)
  },

  'entries carry the time of the store, which does not go back': async (trial) => {
    const { histories } = trial
    current(await histories.append(entry(trial.name, 1, 1)))
    await trial.pass(SHORT)
    current(await histories.append(entry(trial.name, 1, 2)))
    const [second, first] = await histories.list(trial.name)
    const now = Date.now()
    within('the time', first?.at ?? 0, now - LONG, now + LONG)
    within('the next time', second?.at ?? 0, first?.at ?? 0, now + LONG)
  },

  'what nobody wrote is empty': async ({ name, histories }) => {
    assert.equal(await histories.read(name), undefined)
    assert.equal(await histories.read(name, 0), undefined)
    assert.deepEqual(await histories.list(name), [])
    assert.equal(await histories.trim(name, 0), 0)
    assert.equal(await histories.remove(name), false)
    const opened = await histories.open(name, 1, LONG)
    current(opened)
    assert.equal(opened.latest, undefined)
  },

  'a lower sequence comes too late and changes nothing': async ({ name, histories }) => {
    current(await histories.append(entry(name, 3, 5)))
    stale(await histories.append(entry(name, 3, 4)), { token: 3, sequence: 5 })
    assert.deepEqual(
      (await histories.list(name)).map(({ sequence }) => sequence),
      [5],
    )
  },

  'the same token and sequence replaces the entry': async ({ name, histories }) => {
    current(await histories.append(entry(name, 3, 4)))
    current(await histories.append(entry(name, 3, 5, { value: 'first' })))
    current(await histories.append(entry(name, 3, 5, { value: 'second' })))
    assert.deepEqual(
      (await histories.list(name)).map(({ value }) => value),
      ['second', 'step 4 of 3'],
    )
  },

  'a smaller token comes too late, however far its sequence is': async ({ name, histories }) => {
    current(await histories.append(entry(name, 9, 1)))
    stale(await histories.append(entry(name, 8, 100)), { token: 9, sequence: 1 })
    stale(await histories.open(name, 8, LONG), { token: 9, sequence: 1 })
    assert.equal((await histories.read(name))?.value, 'step 1 of 9')
  },

  'whoever opens a history reads the latest entry and fences every earlier writer': async (
    trial,
  ) => {
    const { name, histories } = trial
    const other = (await trial.open()).histories
    current(await histories.append(entry(name, 1, 1)))
    current(await histories.append(entry(name, 1, 2)))
    const opened = await other.open(name, 2, LONG)
    current(opened)
    assert.deepEqual(opened.latest, await histories.read(name, 2))
    stale(await histories.append(entry(name, 1, 3)), { token: 2, sequence: 2 })
    current(await other.append(entry(name, 2, 3)))
    const again = await other.open(name, 2, LONG)
    current(again)
    assert.equal(again.latest?.sequence, 3)
  },

  'opening a history that is empty fences every earlier writer too': async ({
    name,
    histories,
  }) => {
    current(await histories.open(name, 5, LONG))
    stale(await histories.append(entry(name, 4, 1)), { token: 5, sequence: -1 })
    current(await histories.append(entry(name, 5, 0)))
  },

  'a greater token may go back, and what a smaller one left further on is dropped': async ({
    name,
    histories,
  }) => {
    for (const sequence of [1, 2, 3, 4]) current(await histories.append(entry(name, 1, sequence)))
    current(await histories.append(entry(name, 2, 2)))
    assert.deepEqual(
      (await histories.list(name)).map(({ value }) => value),
      ['step 2 of 2', 'step 1 of 1'],
    )
    assert.equal(await histories.read(name, 4), undefined)
    current(await histories.append(entry(name, 2, 3)))
    assert.equal((await histories.read(name, 3))?.value, 'step 3 of 2')
  },

  'writers without a token write one after the other': async ({ name, histories }) => {
    current(await histories.append(entry(name, 0, 0)))
    current(await histories.append(entry(name, 0, 1)))
    stale(await histories.append(entry(name, 0, 0)), { token: 0, sequence: 1 })
  },

  'as many entries are kept as were asked for, the latest ones': async ({ name, histories }) => {
    for (let sequence = 1; sequence <= 7; sequence++) {
      current(await histories.append(entry(name, 1, sequence, { keep: 3 })))
    }
    assert.deepEqual(
      (await histories.list(name)).map(({ sequence }) => sequence),
      [7, 6, 5],
    )
    assert.equal(await histories.read(name, 4), undefined)
    current(await histories.append(entry(name, 1, 8, { keep: 1 })))
    assert.deepEqual(
      (await histories.list(name)).map(({ sequence }) => sequence),
      [8],
    )
  },

  'trimming drops the oldest entries, and all of them when none is kept': async ({
    name,
    histories,
  }) => {
    for (const sequence of [1, 2, 3, 4]) current(await histories.append(entry(name, 6, sequence)))
    assert.equal(await histories.trim(name, 3), 1)
    assert.equal(await histories.trim(name, 3), 0)
    assert.deepEqual(
      (await histories.list(name)).map(({ sequence }) => sequence),
      [4, 3, 2],
    )
    assert.equal(await histories.trim(name, 0), 3)
    assert.equal(await histories.read(name), undefined)
    stale(await histories.append(entry(name, 5, 9)), { token: 6, sequence: -1 })
    current(await histories.append(entry(name, 6, 1)))
  },

  'a history that was removed is as new': async ({ name, histories }) => {
    current(await histories.append(entry(name, 5, 5)))
    assert.equal(await histories.remove(name), true)
    assert.equal(await histories.remove(name), false)
    assert.deepEqual(await histories.list(name), [])
    current(await histories.append(entry(name, 1, 1)))
    assert.equal((await histories.list(name)).length, 1)
  },

  'a history is forgotten when its time is over, and every entry makes it last': async (trial) => {
    const { name, histories } = trial
    current(await histories.open(name, 1, SHORT))
    current(await histories.append(entry(name, 1, 1, { ttl: LONG })))
    await trial.pass(3 * SHORT)
    assert.equal((await histories.read(name))?.sequence, 1)
    current(await histories.append(entry(name, 1, 2, { ttl: SHORT })))
    await trial.until('the history to be forgotten', async () => {
      return (await histories.read(name)) === undefined
    })
    assert.deepEqual(await histories.list(name), [])
    current(await histories.append(entry(name, 0, 0)))
  },

  'of many writers at once none is lost, and the greatest token stands': async (trial) => {
    const { name, histories } = trial
    const other = (await trial.open()).histories
    const writers = Array.from({ length: WRITERS }, (_, i) => (i % 2 ? histories : other))
    const replies = await Promise.all(
      writers.map((writer, i) => writer.append(entry(name, i + 1, 1))),
    )
    current(replies.at(-1) ?? assert.fail())
    assert.deepEqual(
      (await histories.list(name)).map(({ value }) => value),
      [`step 1 of ${WRITERS}`],
    )
    for (const reply of replies) {
      if (reply.state === 'stale') assert.equal(reply.current.sequence, 1)
    }
  },

  'histories with hostile or similar names do not touch each other': async (trial) => {
    const { histories } = trial
    const names = hostileNames(trial.name).filter((name) => name.includes(trial.name))
    for (const [i, name] of names.entries()) {
      current(await histories.append(entry(name, 1, 1, { value: `${i}` })))
    }
    for (const [i, name] of names.entries()) {
      assert.deepEqual(
        (await histories.list(name)).map(({ value }) => value),
        [`${i}`],
      )
    }
  },
})
