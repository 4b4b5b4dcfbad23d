// The outcome of an execution: kept once, by whoever has the claim, and the same for everybody.
import assert from 'node:assert/strict'
import { type ContractCheck, checks } from '../check.ts'
import { begun, within } from '../replies.ts'
import { LONG, once, outcome, SHORT } from '../requests.ts'
import { freshId } from '../trial.ts'

const VALUES = [
  '',
  'null',
  '{"v":1,"kind":"value","value":{"__proto__":{"admin":true}}}',
  'two\nlines\r\n\tand a NUL \u0000 in the middle',
  'Grüße 😀 \u2028',
  '"; redis.call("FLUSHALL") --',
  '0',
  ' ',
  'x'.repeat(300_000),
]

/** That an outcome is recorded once and replayed as it was. */
export const outcomeChecks: readonly ContractCheck[] = checks('records', {
  'an outcome that was kept is the answer to every later request': async (trial) => {
    const { records, name } = trial
    const other = await trial.open()
    const meta = { traceparent: `00-${'c'.repeat(32)}-${'d'.repeat(16)}-01` }
    const claim = once(name)
    await begun('claimed', records, claim)
    assert.equal(await records.commit(outcome(claim, 'paid', { meta })), true)
    for (const port of [records, other.records, records]) {
      const done = await begun('done', port, once(name))
      assert.deepEqual([done.value, done.meta.traceparent], ['paid', meta.traceparent])
    }
    await begun('done', records, once(name, { takeover: 'rerun' }))
    await begun('done', records, once(name, { takeover: 'recover' }))
  },

  'whoever kept the outcome gets it too when it asks again': async ({ records, name }) => {
    const claim = once(name)
    await begun('claimed', records, claim)
    await records.commit(outcome(claim, 'paid'))
    assert.equal((await begun('done', records, claim)).value, 'paid')
  },

  'an outcome is replayed to the last character': async (trial) => {
    const { records } = trial
    for (const [i, value] of VALUES.entries()) {
      const claim = once(`${trial.name}:${i}`)
      await begun('claimed', records, claim)
      await records.commit(outcome(claim, value))
      const done = await begun('done', records, once(claim.record))
      assert.ok(done.value === value, `Value ${i} was changed: ${done.value.slice(0, 80)}`)
    }
  },

  'the age of an outcome counts from when it was kept': async (trial) => {
    const { records, name } = trial
    const claim = once(name)
    await begun('claimed', records, claim)
    await trial.pass(3 * SHORT)
    await records.commit(outcome(claim, 'paid'))
    const { age } = await begun('done', records, once(name))
    await trial.pass(3 * SHORT)
    const later = await begun('done', records, once(name))
    within('the age', age, 0, LONG)
    assert.ok(later.age >= age + 2 * SHORT, `Expected an age above ${age}, got ${later.age}`)
  },

  'the same commit a second time is acknowledged and changes nothing': async (trial) => {
    const { records, name } = trial
    const claim = once(name)
    await begun('claimed', records, claim)
    assert.equal(await records.commit(outcome(claim, 'first')), true)
    assert.equal(await records.commit(outcome(claim, 'second')), true)
    assert.equal((await begun('done', records, once(name))).value, 'first')
  },

  'an attempt without the claim can keep nothing': async ({ records, name }) => {
    const claim = once(name)
    await begun('claimed', records, claim)
    const stranger = { record: name, id: freshId() }
    assert.equal(await records.commit(outcome(stranger, 'stolen')), false)
    await begun('running', records, once(name))
    await records.commit(outcome(claim, 'paid'))
    assert.equal(await records.commit(outcome(stranger, 'stolen')), false)
    assert.equal((await begun('done', records, once(name))).value, 'paid')
  },

  'a commit never creates a record': async ({ records, name }) => {
    assert.equal(await records.commit(outcome({ record: name, id: freshId() }, 'x')), false)
    const claim = once(name)
    await begun('claimed', records, claim)
    await records.drop(name, claim.id)
    assert.equal(await records.commit(outcome(claim, 'x')), false)
    await begun('claimed', records, once(name))
  },
})
