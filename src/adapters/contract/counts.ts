// Circuit breakers: what is counted once and forgotten again, and whose transition is made.
import assert from 'node:assert/strict'
import type { BreakerMove, BreakerView, Counts, OutcomeReport, Outcomes } from '../../core/ports.ts'
import { type ContractCheck, checks } from './check.ts'
import { hostileNames } from './hostile-names.ts'
import { within } from './replies.ts'
import { freshId } from './trial.ts'

const LONG = 60_000
const MOVERS = 20

const SOME: Outcomes = { success: 3, failure: 2, slow: 1 }
const NONE: Outcomes = { success: 0, failure: 0, slow: 0 }

/** A report to a breaker in its first generation, by a process of its own. */
function report(breaker: string, change: Partial<OutcomeReport> = {}): OutcomeReport {
  return {
    breaker,
    generation: 0,
    window: LONG,
    outcomes: SOME,
    reporter: freshId(),
    sequence: 1,
    ...change,
  }
}

/** A transition from the first generation. */
function opening(breaker: string, change: Partial<BreakerMove> = {}): BreakerMove {
  return {
    breaker,
    generation: 0,
    phase: 'open',
    openFor: LONG,
    trips: 1,
    channel: freshId(),
    ...change,
  }
}

/** How a breaker stands, by a report that counts nothing. */
function look(counts: Counts, breaker: string, window: number = LONG): Promise<BreakerView> {
  return counts.report(report(breaker, { outcomes: NONE, window }))
}

/** The promises of the port `counts`. */
export const countChecks: readonly ContractCheck[] = checks('counts', {
  'a breaker that nobody has used is closed, and has counted nothing': async ({ name, counts }) => {
    assert.deepEqual(await look(counts, name), {
      generation: 0,
      phase: 'closed',
      remaining: 0,
      trips: 0,
      totals: NONE,
    })
  },

  'the outcomes of several processes add up': async (trial) => {
    const { counts } = trial
    const other = (await trial.open()).counts
    assert.deepEqual((await counts.report(report(trial.name))).totals, SOME)
    const view = await other.report(report(trial.name, { outcomes: { ...NONE, failure: 4 } }))
    assert.deepEqual(view.totals, { success: 3, failure: 6, slow: 1 })
    assert.deepEqual((await look(counts, trial.name)).totals, view.totals)
  },

  'reports of many at once are all counted': async (trial) => {
    const { counts } = trial
    const other = (await trial.open()).counts
    await Promise.all(
      Array.from({ length: MOVERS }, (_, i) => (i % 2 ? counts : other).report(report(trial.name))),
    )
    assert.equal((await look(counts, trial.name)).totals.success, MOVERS * SOME.success)
  },

  'a report that is sent twice is counted once, and the next one is counted': async ({
    name,
    counts,
  }) => {
    const first = report(name)
    await counts.report(first)
    assert.deepEqual((await counts.report(first)).totals, SOME)
    const next = await counts.report({ ...first, sequence: 2 })
    assert.deepEqual(next.totals, { success: 6, failure: 4, slow: 2 })
    // It was overtaken on its way.
    assert.deepEqual((await counts.report(first)).totals, next.totals)
  },

  'outcomes of another generation than the current one are not counted': async ({
    name,
    counts,
  }) => {
    await counts.report(report(name, { generation: 7 }))
    assert.deepEqual((await look(counts, name)).totals, NONE)
    const { generation } = await counts.move(opening(name))
    await counts.report(report(name))
    assert.deepEqual((await look(counts, name)).totals, NONE)
    const { totals } = await counts.report(report(name, { generation }))
    assert.deepEqual(totals, SOME)
  },

  'outcomes are forgotten when the window is over, and those within it are not': async (trial) => {
    const { counts } = trial
    const window = 400
    await counts.report(report(trial.name, { window }))
    await trial.until('the window to be over', async () => {
      const { totals } = await look(counts, trial.name, window)
      return totals.success === 0 && totals.failure === 0 && totals.slow === 0
    })
    const { totals } = await counts.report(report(trial.name, { window }))
    assert.deepEqual(totals, SOME)
    await counts.report(report(`${trial.name}:long`))
    await trial.pass(window)
    assert.deepEqual((await look(counts, `${trial.name}:long`)).totals, SOME)
  },

  'outcomes that were counted over another window add up, and are forgotten as well': async (
    trial,
  ) => {
    const { counts, name } = trial
    await counts.report(report(name, { window: LONG }))
    const { totals } = await counts.report(report(name, { window: 2 * LONG }))
    assert.deepEqual(totals, { success: 6, failure: 4, slow: 2 })
    const shortly = `${name}:short`
    await counts.report(report(shortly, { window: 400 }))
    await counts.report(report(shortly, { window: 800 }))
    await trial.until('both windows to be over', async () => {
      return (await look(counts, shortly, 800)).totals.success === 0
    })
  },

  'a transition begins a new generation with an empty window': async ({ name, counts }) => {
    await counts.report(report(name))
    const { generation, remaining, ...opened } = await counts.move(opening(name, { trips: 3 }))
    assert.ok(generation > 0, `Expected a later generation, got ${generation}`)
    assert.deepEqual(opened, { phase: 'open', trips: 3, totals: NONE })
    within('remaining', remaining, LONG / 2, LONG)
    const half = await counts.move(opening(name, { generation, phase: 'half_open', trips: 3 }))
    assert.ok(half.generation > generation, 'A generation did not grow')
    assert.deepEqual([half.phase, half.remaining, half.trips], ['half_open', 0, 3])
    assert.deepEqual(await look(counts, name), half)
  },

  'every phase is kept as it is, until somebody moves on': async (trial) => {
    const { counts } = trial
    let generation = 0
    for (const phase of ['isolated', 'open', 'half_open', 'closed'] as const) {
      const moved = await counts.move(opening(trial.name, { generation, phase, openFor: 50 }))
      generation = moved.generation
      await trial.until('the open time to be over', async () => {
        const { remaining } = await look(counts, trial.name)
        return remaining === 0
      })
      assert.deepEqual((await look(counts, trial.name)).phase, phase)
    }
  },

  'a transition from another generation than the current one is not made': async ({
    name,
    counts,
  }) => {
    const early = await counts.move(opening(name, { generation: 7 }))
    assert.deepEqual([early.generation, early.phase], [0, 'closed'])
    const opened = await counts.move(opening(name))
    const late = await counts.move(opening(name, { phase: 'isolated', trips: 9 }))
    assert.deepEqual(
      [late.generation, late.phase, late.trips],
      [opened.generation, 'open', opened.trips],
    )
  },

  'of many transitions at once one is made, and all are told how it stands': async (trial) => {
    const { counts } = trial
    const other = (await trial.open()).counts
    const views = await Promise.all(
      Array.from({ length: MOVERS }, (_, i) =>
        (i % 2 ? counts : other).move(opening(trial.name, { trips: i + 1 })),
      ),
    )
    assert.equal(new Set(views.map((view) => view.generation)).size, 1)
    assert.equal(new Set(views.map((view) => view.trips)).size, 1)
  },

  'a transition is told on its channel, with the new generation': async (trial) => {
    const { counts } = trial
    const heard: string[] = []
    const channel = freshId()
    const { signals } = await trial.open()
    try {
      const message = (text: string): void => void heard.push(text)
      const listening = await signals.listen(channel, { message, restored: () => {} })
      trial.onEnd(() => listening.close())
    } catch {
      // A store without messages: its views are found by asking.
      return
    }
    const { generation } = await counts.move(opening(trial.name, { channel }))
    await trial.until('the transition to be told', async () => heard.length > 0)
    await counts.move(opening(trial.name, { channel }))
    assert.deepEqual(heard, [String(generation)])
  },

  'breakers with hostile or similar names do not touch each other': async (trial) => {
    const { counts } = trial
    for (const breaker of hostileNames(trial.name)) {
      if (!breaker.includes(trial.name)) continue
      const { totals } = await counts.report(report(breaker))
      assert.deepEqual(totals, SOME, `${JSON.stringify(breaker.slice(0, 99))} had counted`)
      const { generation } = await counts.move(opening(breaker))
      assert.ok(generation > 0, `${JSON.stringify(breaker.slice(0, 99))} was moved already`)
    }
  },
})

/** What a store promises of breakers after it forgot everything. */
export const countLossChecks: readonly ContractCheck[] = checks(
  'counts',
  {
    'generations go on growing when the data was lost': async (trial) => {
      const before = await trial.counts.move(opening(trial.name))
      await trial.lose()
      const { counts } = await trial.open()
      const after = await counts.move(opening(trial.name))
      assert.ok(after.generation > before.generation, 'A generation came a second time')
    },
  },
  'lose',
)
