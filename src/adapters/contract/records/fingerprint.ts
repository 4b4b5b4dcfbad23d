// Fingerprints: the same record with another payload is refused, and learns nothing.
import assert from 'node:assert/strict'
import { type ContractCheck, checks } from '../check.ts'
import { begun } from '../replies.ts'
import { once, outcome } from '../requests.ts'

/** That a record answers only those who ask for the same. */
export const fingerprintChecks: readonly ContractCheck[] = checks('records', {
  'another fingerprint is refused while the execution runs': async ({ records, name }) => {
    await begun('claimed', records, once(name, { fingerprint: 'one' }))
    const reply = await begun('mismatch', records, once(name, { fingerprint: 'two' }))
    assert.deepEqual(reply, { state: 'mismatch' })
    await begun('running', records, once(name, { fingerprint: 'one' }))
  },

  'another fingerprint is refused after the outcome was kept, and learns nothing': async (
    trial,
  ) => {
    const { records, name } = trial
    const claim = once(name, { fingerprint: 'one' })
    await begun('claimed', records, claim)
    await records.commit(outcome(claim, 'secret'))
    const reply = await begun('mismatch', records, once(name, { fingerprint: 'two' }))
    assert.deepEqual(reply, { state: 'mismatch' })
    await begun('done', records, once(name, { fingerprint: 'one' }))
  },

  'another fingerprint can take nothing over': async ({ records, name }) => {
    const claim = once(name, { fingerprint: 'one' })
    await begun('claimed', records, claim)
    await records.renew(name, claim.id, 0)
    for (const takeover of ['never', 'rerun', 'recover'] as const) {
      await begun('mismatch', records, once(name, { fingerprint: 'two', takeover }))
    }
    const { fingerprint } = await begun('lapsed', records, once(name, { fingerprint: 'one' }))
    assert.equal(fingerprint, 'one')
  },

  'a request without a fingerprint fits every record': async ({ records, name }) => {
    const claim = once(name, { fingerprint: 'one' })
    await begun('claimed', records, claim)
    await begun('running', records, once(name))
    await records.commit(outcome(claim, 'paid'))
    await begun('done', records, once(name))
  },

  'a record without a fingerprint fits every request': async ({ records, name }) => {
    const claim = once(name)
    await begun('claimed', records, claim)
    await begun('running', records, once(name, { fingerprint: 'one' }))
    await records.commit(outcome(claim, 'paid'))
    await begun('done', records, once(name, { fingerprint: 'one' }))
  },

  'fingerprints differ by every character': async ({ records, name }) => {
    await begun('claimed', records, once(name, { fingerprint: 'a:b\u0000' }))
    for (const fingerprint of ['a:b', 'A:B\u0000', 'a:b\u0000 ', 'a:b\n']) {
      await begun('mismatch', records, once(name, { fingerprint }))
    }
    await begun('running', records, once(name, { fingerprint: 'a:b\u0000' }))
  },
})
