// How long records are kept: from when the outcome was recorded, and no longer.
import assert from 'node:assert/strict'
import { type ContractCheck, checks } from '../check.ts'
import { begun } from '../replies.ts'
import { LONG, once, outcome, SHORT } from '../requests.ts'
import { freshName } from '../trial.ts'

/** That records end by the store's clock. */
export const retentionChecks: readonly ContractCheck[] = checks('records', {
  'an outcome is forgotten when its time is over, and the next request claims': async (trial) => {
    const { records, name } = trial
    const claim = once(name)
    const { token } = await begun('claimed', records, claim)
    await records.commit(outcome(claim, 'paid', { ttl: SHORT }))
    const next = await trial.until('the outcome to be forgotten', async () => {
      const reply = await records.begin(once(name))
      return reply.state === 'claimed' && reply
    })
    assert.equal(next.lost, undefined)
    assert.ok(next.token > token, `Expected a token above ${token}, got ${next.token}`)
  },

  'a replay does not make an outcome last longer': async (trial) => {
    const { records, name } = trial
    const claim = once(name)
    await begun('claimed', records, claim)
    await records.commit(outcome(claim, 'paid', { ttl: 5 * SHORT }))
    // Each look is a replay: were it counted, the outcome would never be forgotten.
    await trial.until('the outcome to be forgotten', async () => {
      return (await records.begin(once(name, { ttl: LONG, lease: LONG }))).state === 'claimed'
    })
  },

  'a second commit does not make an outcome last longer': async (trial) => {
    const { records, name } = trial
    const claim = once(name)
    await begun('claimed', records, claim)
    await records.commit(outcome(claim, 'paid', { ttl: SHORT }))
    await trial.until('the outcome to be forgotten', async () => {
      return !(await records.commit(outcome(claim, 'paid', { ttl: LONG })))
    })
  },

  'an outcome is kept for its own time, though the claim had less': async (trial) => {
    const { records } = trial
    const kept = await trial.until('an outcome to be kept in time', async () => {
      const claim = once(freshName(), { lease: 5 * SHORT, ttl: 5 * SHORT })
      await begun('claimed', records, claim)
      return (await records.commit(outcome(claim, 'paid', { ttl: LONG }))) && claim.record
    })
    await trial.pass(8 * SHORT)
    await begun('done', records, once(kept))
  },

  'a record lasts at least as long as its claim': async (trial) => {
    const { records, name } = trial
    await begun('claimed', records, once(name, { lease: LONG, ttl: SHORT }))
    await trial.pass(3 * SHORT)
    await begun('running', records, once(name))
  },

  'a lost execution is forgotten when its time is over': async (trial) => {
    const { records, name } = trial
    await begun('claimed', records, once(name, { lease: SHORT, ttl: 3 * SHORT }))
    const next = await trial.until('the record to be forgotten', async () => {
      const reply = await records.begin(once(name))
      return reply.state === 'claimed' && reply
    })
    assert.equal(next.lost, undefined)
  },
})
