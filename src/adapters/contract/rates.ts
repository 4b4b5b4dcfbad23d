// Rate limits: what a burst allows, what a refusal costs, and when to come back.
import assert from 'node:assert/strict'
import type { RateReply, RateRule } from '../../core/ports.ts'
import { type ContractCheck, checks } from './check.ts'
import { hostileNames } from './hostile-names.ts'
import { within } from './replies.ts'
import type { Trial } from './trial.ts'

const MINUTE = 60_000_000
const CALLERS = 40

/** A rule that gives nothing back while a check runs. */
function rule(burst: number, change: Partial<RateRule> = {}): RateRule {
  return { name: 'rule', interval: MINUTE, burst, ...change }
}

/** A check that spends units of rules of one limiter. */
function over(
  check: (
    trial: Trial,
    spend: (cost: number, ...rules: RateRule[]) => Promise<RateReply>,
  ) => Promise<void>,
): (trial: Trial) => Promise<void> {
  return (trial) =>
    check(trial, (cost, ...rules) => trial.rates.consume({ limiter: trial.name, rules, cost }))
}

/** The promises of the port `rates`. */
export const rateChecks: readonly ContractCheck[] = checks('rates', {
  'a burst is allowed at once, and nothing beyond it': over(async (_trial, spend) => {
    for (let left = 4; left >= 0; left--) {
      const { allowed, standings } = await spend(1, rule(5))
      assert.deepEqual([allowed, standings[0]?.remaining], [true, left])
      assert.equal(standings[0]?.retryAfter, 0)
    }
    assert.equal((await spend(1, rule(5))).allowed, false)
  }),

  'a refusal says when to come back, and when nothing is spent any more': over(
    async (_trial, spend) => {
      for (let spent = 0; spent < 5; spent++) await spend(1, rule(5))
      const { standings } = await spend(2, rule(5))
      assert.equal(standings[0]?.remaining, 0)
      within('retryAfter', standings[0]?.retryAfter ?? -1, 90_000, 120_000)
      within('resetAfter', standings[0]?.resetAfter ?? -1, 270_000, 300_000)
    },
  ),

  'a rule whose units come back faster than a clock can tell apart is kept all the same': over(
    async (_trial, spend) => {
      // A billion in a minute, and in a millisecond.
      for (const interval of [0.06, 0.000_001]) {
        assert.equal(
          (await spend(1, rule(1e9, { name: `every ${interval}`, interval }))).allowed,
          true,
        )
      }
    },
  ),

  'several units are spent all at once or not at all': over(async (_trial, spend) => {
    assert.equal((await spend(3, rule(5))).allowed, true)
    assert.equal((await spend(3, rule(5))).allowed, false)
    assert.equal((await spend(2, rule(5))).allowed, true)
  }),

  'a refusal spends nothing': over(async (trial, spend) => {
    const quick = rule(1, { interval: 300_000 })
    await spend(1, quick)
    for (let refused = 0; refused < 20; refused++) await spend(1, quick)
    await trial.pass(350)
    assert.equal((await spend(1, quick)).allowed, true)
  }),

  'a caller that waits for as long as it was told is allowed': over(async (trial, spend) => {
    const thirds = rule(3, { interval: 100_000 / 3 })
    for (let round = 0; round < 20; round++) {
      const { allowed, standings } = await spend(1, thirds)
      if (allowed) continue
      // A timer may be early by a millisecond.
      await trial.pass((standings[0]?.retryAfter ?? 0) + 1)
      assert.equal((await spend(1, thirds)).allowed, true)
    }
  }),

  'units come back evenly, up to the burst': over(async (trial, spend) => {
    const quick = rule(2, { interval: 50_000 })
    assert.equal((await spend(2, quick)).allowed, true)
    await trial.until('one unit to come back', async () => (await spend(1, quick)).allowed)
    await trial.pass(500)
    assert.equal((await spend(0, quick)).standings[0]?.remaining, 2)
    assert.equal((await spend(3, quick)).allowed, false)
  }),

  'a look spends nothing': over(async (_trial, spend) => {
    for (let looked = 0; looked < 5; looked++) {
      const { standings } = await spend(0, rule(2))
      assert.equal(standings[0]?.remaining, 2)
    }
    assert.equal((await spend(2, rule(2))).allowed, true)
    assert.equal((await spend(0, rule(2))).standings[0]?.remaining, 0)
  }),

  'several rules allow together or spend nothing': over(async (_trial, spend) => {
    const wide = rule(5, { name: 'wide' })
    const narrow = rule(2, { name: 'narrow' })
    await spend(2, wide, narrow)
    const refused = await spend(1, wide, narrow)
    assert.equal(refused.allowed, false)
    assert.deepEqual(
      refused.standings.map(({ remaining }) => remaining),
      [3, 0],
    )
    assert.deepEqual(
      refused.standings.map(({ retryAfter }) => retryAfter > 0),
      [false, true],
    )
    assert.equal((await spend(3, wide)).allowed, true)
  }),

  'of many callers at once in several processes as many are allowed as a burst has': over(
    async (trial, spend) => {
      const other = (await trial.open()).rates
      const replies = await Promise.all(
        Array.from({ length: CALLERS }, (_, i) =>
          i % 2
            ? spend(1, rule(10))
            : other.consume({ limiter: trial.name, rules: [rule(10)], cost: 1 }),
        ),
      )
      assert.equal(replies.filter((reply) => reply?.allowed).length, 10)
    },
  ),

  'a reset forgets what was spent, by the rules that it names': over(async (trial, spend) => {
    const first = rule(1, { name: 'first' })
    const second = rule(1, { name: 'second' })
    await spend(1, first, second)
    await trial.rates.reset(trial.name, [first])
    assert.equal((await spend(1, first)).allowed, true)
    assert.equal((await spend(1, second)).allowed, false)
  }),

  'limiters and rules with hostile or similar names do not touch each other': over(
    async (trial, spend) => {
      const rates = trial.rates
      for (const limiter of hostileNames(trial.name)) {
        if (!limiter.includes(trial.name)) continue
        const reply = await rates.consume({ limiter, rules: [rule(1)], cost: 1 })
        assert.equal(reply?.allowed, true, `${JSON.stringify(limiter.slice(0, 99))} was spent`)
      }
      for (const name of hostileNames('other')) {
        assert.equal((await spend(1, rule(1, { name }))).allowed, true)
      }
    },
  ),
})
