// Records of a store that lost its data: nothing is made up.
import assert from 'node:assert/strict'
import { type ContractCheck, checks } from '../check.ts'
import { begun } from '../replies.ts'
import { LONG, once, outcome } from '../requests.ts'

/** What a store promises of records after it forgot everything. */
export const recordLossChecks: readonly ContractCheck[] = checks(
  'records',
  {
    'a claim that the store has lost can keep, renew and drop nothing': async (trial) => {
      const claim = once(trial.name)
      const { token } = await begun('claimed', trial.records, claim)
      await trial.lose()
      const { records } = await trial.open()
      assert.equal(await records.renew(trial.name, claim.id, LONG), false)
      assert.equal(await records.commit(outcome(claim, 'paid')), false)
      assert.equal(await records.drop(trial.name, claim.id), false)
      const next = await begun('claimed', records, once(trial.name))
      assert.ok(next.token > token, `Expected a token above ${token}, got ${next.token}`)
    },
  },
  'lose',
)
