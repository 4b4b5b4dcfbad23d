// Outcomes that are kept without a claim.
import assert from 'node:assert/strict'
import { type ContractCheck, checks } from '../check.ts'
import { begun } from '../replies.ts'
import { kept, LONG, once, outcome, SHORT } from '../requests.ts'

/** That an outcome is put in place of whatever there was. */
export const putChecks: readonly ContractCheck[] = checks('records', {
  'an outcome that was put is the answer to every later request': async (trial) => {
    const { records, name } = trial
    const other = await trial.open()
    const meta = { traceparent: `00-${'c'.repeat(32)}-${'d'.repeat(16)}-01` }
    await records.put(kept(name, 'put\n\u0000😀', { meta }))
    for (const port of [records, other.records]) {
      const done = await begun('done', port, once(name))
      assert.deepEqual([done.value, done.meta.traceparent], ['put\n\u0000😀', meta.traceparent])
    }
  },

  'a put ends the claim: what was executed before it is not kept': async ({ records, name }) => {
    const claim = once(name)
    await begun('claimed', records, claim)
    await records.put(kept(name, 'put'))
    assert.equal(await records.commit(outcome(claim, 'late')), false)
    assert.equal(await records.renew(name, claim.id, LONG), false)
    assert.equal(await records.drop(name, claim.id), false)
    assert.equal((await begun('done', records, claim)).value, 'put')
  },

  'a put replaces an outcome, its time and its freshness': async (trial) => {
    const { records, name } = trial
    await records.put(kept(name, 'first', { ttl: 5 * SHORT, freshFor: SHORT }))
    await records.put(kept(name, 'second'))
    await trial.pass(8 * SHORT)
    assert.equal((await begun('done', records, once(name))).value, 'second')
  },

  'an outcome that was put is forgotten when its time is over': async (trial) => {
    const { records, name } = trial
    await records.put(kept(name, 'put', { ttl: SHORT }))
    await trial.until('the outcome to be forgotten', async () => {
      return (await records.begin(once(name))).state === 'claimed'
    })
  },
})
