// Refreshing: an outcome that is not fresh any more stands while one caller produces it anew.
import assert from 'node:assert/strict'
import type { BeginRequest, PutRequest } from '../../../core/ports.ts'
import { type ContractCheck, checks } from '../check.ts'
import { begun } from '../replies.ts'
import { kept, LONG, once, outcome, SHORT } from '../requests.ts'
import type { Trial } from '../trial.ts'

/** Keeps an outcome, waits until it is not fresh any more, and answers the claim of the first request then. */
async function claimed(
  trial: Trial,
  request: Partial<BeginRequest> = {},
  change: Partial<PutRequest> = {},
): Promise<BeginRequest> {
  await trial.records.put(kept(trial.name, 'old', { freshFor: SHORT, ...change }))
  return trial.until('the outcome to be produced anew', async () => {
    const claim = once(trial.name, request)
    return (await trial.records.begin(claim)).state === 'claimed' && claim
  })
}

/** That an outcome is replaced by one caller at a time, and is there all the while. */
export const refreshChecks: readonly ContractCheck[] = checks('records', {
  'an outcome that is fresh is the answer, and is not produced anew': async ({ records, name }) => {
    await records.put(kept(name, 'old', { freshFor: LONG }))
    assert.equal((await begun('done', records, once(name))).value, 'old')
  },

  'an outcome that is not fresh is claimed by one request and stands for all': async (trial) => {
    const other = await trial.open()
    const meta = { traceparent: `00-${'e'.repeat(32)}-${'f'.repeat(16)}-01` }
    const claim = await claimed(trial, {}, { meta })
    const again = await begun('claimed', trial.records, claim)
    const running = await begun('running', other.records, once(trial.name))
    for (const { stale } of [again, running]) {
      assert.equal(stale?.value, 'old')
      assert.equal(stale.meta.traceparent, meta.traceparent)
      assert.ok(stale.age >= SHORT, `Expected an age of ${SHORT} or more, got ${stale.age}`)
    }
    assert.deepEqual([again.lost, running.meta.traceparent], [undefined, undefined])
  },

  'of many requests at once one produces the outcome anew': async (trial) => {
    const { records, name } = trial
    const claim = await claimed(trial)
    await records.drop(name, claim.id)
    const replies = await Promise.all(Array.from({ length: 20 }, () => records.begin(once(name))))
    assert.deepEqual(replies.map(({ state }) => state).sort(), [
      'claimed',
      ...Array(19).fill('running'),
    ])
    for (const reply of replies) assert.equal('stale' in reply && reply.stale?.value, 'old')
  },

  'a commit replaces the outcome that stood, its time and its freshness': async (trial) => {
    const { records, name } = trial
    const claim = await claimed(trial, {}, { ttl: 10 * SHORT })
    assert.equal(await records.commit(outcome(claim, 'new')), true)
    await trial.pass(12 * SHORT)
    assert.equal((await begun('done', records, once(name))).value, 'new')
  },

  'what was committed to be fresh for a time is produced anew after it': async (trial) => {
    const { records, name } = trial
    const claim = once(name)
    await begun('claimed', records, claim)
    await records.commit(outcome(claim, 'old', { freshFor: SHORT }))
    await trial.until('the outcome to be produced anew', async () => {
      const reply = await records.begin(once(name))
      return reply.state === 'claimed' && reply.stale?.value === 'old'
    })
  },

  'after a drop the outcome stands, and the next request claims': async (trial) => {
    const { records, name } = trial
    const claim = await claimed(trial)
    const { token } = await begun('claimed', records, claim)
    assert.equal(await records.drop(name, claim.id), true)
    assert.equal(await records.drop(name, claim.id), false)
    const next = await begun('claimed', records, once(name))
    assert.equal(next.stale?.value, 'old')
    assert.ok(next.token > token, `Expected a token above ${token}, got ${next.token}`)
  },

  'a refresh that died is claimed by the next request: the outcome is known': async (trial) => {
    const { records, name } = trial
    const dead = await claimed(trial, { lease: SHORT })
    const next = await trial.until('another request to claim', async () => {
      const claim = once(name, { takeover: 'never' })
      const reply = await records.begin(claim)
      assert.notEqual(reply.state, 'lapsed')
      return reply.state === 'claimed' && { claim, reply }
    })
    assert.equal(next.reply.lost, undefined)
    assert.equal(next.reply.stale?.value, 'old')
    assert.equal(await records.commit(outcome(dead, 'late')), false)
    assert.equal(await records.renew(name, dead.id, LONG), false)
    assert.equal(await records.commit(outcome(next.claim, 'new')), true)
    assert.equal((await begun('done', records, once(name))).value, 'new')
  },

  'an outcome is forgotten when its time is over, however often it is claimed': async (trial) => {
    const { records, name } = trial
    await records.put(kept(name, 'old', { freshFor: 1, ttl: 5 * SHORT }))
    await trial.until('the outcome to be forgotten', async () => {
      const claim = once(name, { lease: LONG })
      const reply = await records.begin(claim)
      await records.renew(name, claim.id, 2 * LONG)
      await records.drop(name, claim.id)
      return reply.state === 'claimed' && reply.stale === undefined
    })
  },

  'an outcome is forgotten when its time is over, also while it is produced anew': async (
    trial,
  ) => {
    const { records, name } = trial
    await claimed(trial, { lease: LONG }, { freshFor: 1, ttl: 5 * SHORT })
    await trial.until('the outcome to be forgotten', async () => {
      return (await begun('running', records, once(name))).stale === undefined
    })
  },
})
