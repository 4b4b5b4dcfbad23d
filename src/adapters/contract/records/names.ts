// Names of records: any well-formed text, and distinct ones never meet.

import assert from 'node:assert/strict'
import { type ContractCheck, checks } from '../check.ts'
import { hostileNames } from '../hostile-names.ts'
import { begun } from '../replies.ts'
import { once, outcome } from '../requests.ts'

/** That a name is only a name. */
export const recordNameChecks: readonly ContractCheck[] = checks('records', {
  'records with hostile or similar names each keep their own outcome': async (trial) => {
    const { records } = trial
    const claims = hostileNames(trial.name).map((record) => once(record))
    for (const claim of claims) {
      // A name that is not ours alone may be in use for a moment by a run beside this one.
      await trial.until(`${JSON.stringify(claim.record.slice(0, 99))} to be claimed`, async () => {
        return (await records.begin(claim)).state === 'claimed'
      })
      trial.onEnd(() => records.drop(claim.record, claim.id))
    }
    const own = claims.filter(({ record }) => record.includes(trial.name))
    for (const claim of own) {
      assert.equal(await records.commit(outcome(claim, claim.id)), true)
    }
    for (const { record, id } of own) {
      assert.equal((await begun('done', records, once(record))).value, id)
    }
    for (const { record } of claims) {
      if (!record.includes(trial.name)) await begun('running', records, once(record))
    }
  },
})
