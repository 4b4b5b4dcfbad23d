// Dropping a claim: the next caller executes as if nothing had been.
import assert from 'node:assert/strict'
import { type ContractCheck, checks } from '../check.ts'
import { begun } from '../replies.ts'
import { once, outcome } from '../requests.ts'
import { freshId } from '../trial.ts'

/** That a claim is dropped by its owner only. */
export const dropChecks: readonly ContractCheck[] = checks('records', {
  'after a drop the next request claims, with a greater token': async ({ records, name }) => {
    const claim = once(name, { fingerprint: 'one' })
    const { token } = await begun('claimed', records, claim)
    assert.equal(await records.drop(name, claim.id), true)
    const next = await begun('claimed', records, once(name, { fingerprint: 'two' }))
    assert.equal(next.lost, undefined)
    assert.ok(next.token > token, `Expected a token above ${token}, got ${next.token}`)
  },

  'a second drop says that nothing was claimed': async ({ records, name }) => {
    const claim = once(name)
    await begun('claimed', records, claim)
    await records.drop(name, claim.id)
    assert.equal(await records.drop(name, claim.id), false)
  },

  'a drop takes nothing from the next claim': async ({ records, name }) => {
    const first = once(name)
    await begun('claimed', records, first)
    await records.drop(name, first.id)
    await begun('claimed', records, once(name))
    assert.equal(await records.drop(name, first.id), false)
    await begun('running', records, once(name))
  },

  'an attempt without the claim can drop nothing': async ({ records, name }) => {
    await begun('claimed', records, once(name))
    assert.equal(await records.drop(name, freshId()), false)
    await begun('running', records, once(name))
  },

  'an outcome that was kept cannot be dropped': async ({ records, name }) => {
    const claim = once(name)
    await begun('claimed', records, claim)
    await records.commit(outcome(claim, 'paid'))
    assert.equal(await records.drop(name, claim.id), false)
    await begun('done', records, once(name))
  },

  'dropping what nobody claimed is harmless': async ({ records, name }) => {
    assert.equal(await records.drop(name, freshId()), false)
    await begun('claimed', records, once(name))
  },
})
