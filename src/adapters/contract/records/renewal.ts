// Renewing a claim: it prolongs what is one's own, to nothing if asked, and creates nothing.
import assert from 'node:assert/strict'
import { type ContractCheck, checks } from '../check.ts'
import { begun, within } from '../replies.ts'
import { LONG, once, outcome, SHORT } from '../requests.ts'
import { freshId } from '../trial.ts'

/** That a claim is renewed by its owner only. */
export const recordRenewalChecks: readonly ContractCheck[] = checks('records', {
  'a renewal makes the claim last from now': async ({ records, name }) => {
    const claim = once(name, { lease: LONG })
    await begun('claimed', records, claim)
    assert.equal(await records.renew(name, claim.id, 3 * LONG), true)
    const { retryAfter } = await begun('running', records, once(name))
    within('retryAfter', retryAfter, 2 * LONG, 3 * LONG)
  },

  'a renewal may make the claim shorter': async (trial) => {
    const { records, name } = trial
    const claim = once(name)
    await begun('claimed', records, claim)
    await records.renew(name, claim.id, SHORT)
    await trial.until('the claim to lapse', async () => {
      return (await records.begin(once(name))).state === 'lapsed'
    })
  },

  'a renewal to nothing lets the claim lapse now': async ({ records, name }) => {
    const claim = once(name)
    await begun('claimed', records, claim)
    assert.equal(await records.renew(name, claim.id, 0), true)
    await begun('lapsed', records, once(name))
  },

  'a renewal may change what is known of whoever executes, and leaves it otherwise': async ({
    records,
    name,
  }) => {
    const claim = once(name, { meta: { owner: 'first' } })
    await begun('claimed', records, claim)
    await records.renew(name, claim.id, LONG)
    assert.equal((await begun('running', records, once(name))).meta.owner, 'first')
    await records.renew(name, claim.id, LONG, { traceparent: '00-1-2-01' })
    const { meta } = await begun('running', records, once(name))
    assert.deepEqual([meta.traceparent, meta.owner], ['00-1-2-01', undefined])
    await records.renew(name, claim.id, 0, { owner: 'last' })
    assert.equal((await begun('lapsed', records, once(name))).meta.owner, 'last')
  },

  'a renewal keeps the record for as long as the claim': async (trial) => {
    const { records, name } = trial
    const renewed = await trial.until('a renewal to come in time', async () => {
      const claim = once(`${name}:${freshId()}`, { lease: 5 * SHORT, ttl: 5 * SHORT })
      await begun('claimed', records, claim)
      return (await records.renew(claim.record, claim.id, LONG)) && claim.record
    })
    await trial.pass(8 * SHORT)
    await begun('running', records, once(renewed))
  },

  'a claim whose lease is over can be renewed until somebody takes it over': async (trial) => {
    const { records, name } = trial
    const claim = once(name, { lease: SHORT })
    await begun('claimed', records, claim)
    await trial.until('the claim to lapse', async () => {
      return (await records.begin(once(name))).state === 'lapsed'
    })
    assert.equal(await records.renew(name, claim.id, LONG), true)
    await begun('running', records, once(name))
    await records.renew(name, claim.id, 0)
    await begun('claimed', records, once(name, { takeover: 'rerun' }))
    assert.equal(await records.renew(name, claim.id, LONG), false)
  },

  'an attempt without the claim can renew nothing': async ({ records, name }) => {
    await begun('claimed', records, once(name, { lease: LONG }))
    assert.equal(await records.renew(name, freshId(), 5 * LONG), false)
    assert.equal(await records.renew(name, freshId(), 0), false)
    const { retryAfter } = await begun('running', records, once(name))
    within('retryAfter', retryAfter, 1, LONG)
  },

  'a claim that has ended cannot be renewed': async ({ records, name }) => {
    const kept = once(name)
    await begun('claimed', records, kept)
    await records.commit(outcome(kept, 'paid'))
    assert.equal(await records.renew(name, kept.id, LONG), false)
    await begun('done', records, once(name))
    const dropped = once(`${name}:dropped`)
    await begun('claimed', records, dropped)
    await records.drop(dropped.record, dropped.id)
    assert.equal(await records.renew(dropped.record, dropped.id, LONG), false)
    await begun('claimed', records, once(dropped.record))
  },

  'renewing what nobody claimed creates nothing': async ({ records, name }) => {
    assert.equal(await records.renew(name, freshId(), LONG), false)
    await begun('claimed', records, once(name))
  },
})
