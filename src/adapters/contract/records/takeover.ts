// Executions that were lost: unknown to everybody until somebody takes them over, as the caller asks.
import assert from 'node:assert/strict'
import type { BeginRequest, Records } from '../../../core/ports.ts'
import { type ContractCheck, checks } from '../check.ts'
import { begun } from '../replies.ts'
import { LONG, once, outcome, SHORT } from '../requests.ts'
import { freshName } from '../trial.ts'

const CONTENDERS = 20

const META = { traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` }

/** A claim whose process died. */
async function lapse(records: Records, record: string): Promise<BeginRequest> {
  const claim = once(record, { fingerprint: 'payload', meta: META })
  await begun('claimed', records, claim)
  await records.renew(record, claim.id, 0)
  return claim
}

/** That a lost execution is treated as the caller asks. */
export const takeoverChecks: readonly ContractCheck[] = checks('records', {
  'a claim that is not renewed lapses when its lease is over': async (trial) => {
    const { records, name } = trial
    await begun('claimed', records, once(name, { lease: SHORT, ttl: LONG }))
    await trial.until('the claim to lapse', async () => {
      return (await records.begin(once(name))).state === 'lapsed'
    })
  },

  'a lapsed claim answers everybody what is known of it, and runs nothing': async (trial) => {
    const { records, name } = trial
    const other = await trial.open()
    await lapse(records, name)
    const first = await begun('lapsed', records, once(name))
    const second = await begun('lapsed', other.records, once(name))
    assert.deepEqual([first.fingerprint, first.meta.traceparent], ['payload', META.traceparent])
    assert.ok(Number.isFinite(first.startedAt) && first.startedAt > 0)
    assert.equal(second.startedAt, first.startedAt)
  },

  'an outcome that comes late is kept if nobody took the execution over': async (trial) => {
    const { records, name } = trial
    const claim = await lapse(records, name)
    assert.equal(await records.commit(outcome(claim, 'late')), true)
    assert.equal((await begun('done', records, once(name))).value, 'late')
  },

  'a rerun claims with a greater token and is told of the lost execution': async (trial) => {
    const { records, name } = trial
    const request = once(name, { fingerprint: 'payload', meta: META })
    const { token } = await begun('claimed', records, request)
    await records.renew(name, request.id, 0)
    const { startedAt } = await begun('lapsed', records, once(name))
    const taken = await begun('claimed', records, once(name, { takeover: 'rerun' }))
    assert.ok(taken.token > token, `Expected a token above ${token}, got ${taken.token}`)
    assert.deepEqual(
      { ...taken.lost, meta: taken.lost?.meta.traceparent },
      { startedAt, fingerprint: 'payload', meta: META.traceparent },
    )
  },

  'a rerun is an execution of its own: the next one is told of it': async (trial) => {
    const { records, name } = trial
    await lapse(records, name)
    await trial.pass(SHORT)
    const before = await begun('lapsed', records, once(name))
    const meta = { traceparent: `00-${'c'.repeat(32)}-${'d'.repeat(16)}-01` }
    const rerun = once(name, { takeover: 'rerun', meta })
    await begun('claimed', records, rerun)
    const running = await begun('running', records, once(name))
    assert.equal(running.meta.traceparent, meta.traceparent)
    await records.renew(name, rerun.id, 0)
    const after = await begun('lapsed', records, once(name))
    assert.equal(after.meta.traceparent, meta.traceparent)
    assert.equal(after.fingerprint, 'payload', 'The fingerprint stays that of the record')
    assert.ok(after.startedAt >= before.startedAt)
  },

  'a recovery claims and keeps what is known of the lost execution': async (trial) => {
    const { records, name } = trial
    await lapse(records, name)
    const before = await begun('lapsed', records, once(name))
    await trial.pass(SHORT)
    const recovery = once(name, { takeover: 'recover' })
    const taken = await begun('claimed', records, recovery)
    assert.deepEqual(
      { ...taken.lost, meta: taken.lost?.meta.traceparent },
      { startedAt: before.startedAt, fingerprint: 'payload', meta: META.traceparent },
    )
    await begun('running', records, once(name))
    await records.renew(name, recovery.id, 0)
    const after = await begun('lapsed', records, once(name))
    assert.deepEqual(
      [after.startedAt, after.fingerprint, after.meta.traceparent],
      [before.startedAt, 'payload', META.traceparent],
    )
  },

  'taking over twice answers the same claim and tells of the lost execution again': async (
    trial,
  ) => {
    const { records } = trial
    for (const takeover of ['rerun', 'recover'] as const) {
      const record = freshName()
      await lapse(records, record)
      const request = once(record, { takeover })
      const first = await begun('claimed', records, request)
      const again = await begun('claimed', records, request)
      assert.equal(again.token, first.token)
      assert.ok(again.lost, `A ${takeover} that asked twice would take itself for the first run`)
      assert.deepEqual(
        { ...again.lost, meta: again.lost.meta.traceparent },
        { ...first.lost, meta: first.lost?.meta.traceparent },
      )
    }
  },

  'a first request with a takeover has nothing to take over': async ({ records, name }) => {
    for (const takeover of ['rerun', 'recover'] as const) {
      const { lost } = await begun('claimed', records, once(`${name}:${takeover}`, { takeover }))
      assert.equal(lost, undefined)
    }
  },

  'an execution that was taken over can keep, renew and drop nothing': async (trial) => {
    const { records } = trial
    for (const takeover of ['rerun', 'recover'] as const) {
      const record = freshName()
      const former = await lapse(records, record)
      const owner = once(record, { takeover })
      await begun('claimed', records, owner)
      assert.equal(await records.commit(outcome(former, 'stale')), false)
      assert.equal(await records.renew(record, former.id, LONG), false)
      assert.equal(await records.drop(record, former.id), false)
      await begun('running', records, once(record))
      assert.equal(await records.commit(outcome(owner, 'right')), true)
      assert.equal(await records.commit(outcome(former, 'stale')), false)
      assert.equal((await begun('done', records, once(record))).value, 'right')
    }
  },

  'of many that want to take over one does': async (trial) => {
    const other = await trial.open()
    await lapse(trial.records, trial.name)
    const replies = await Promise.all(
      Array.from({ length: CONTENDERS }, (_, i) =>
        (i % 2 ? trial.adapter : other).records.begin(once(trial.name, { takeover: 'rerun' })),
      ),
    )
    assert.deepEqual(replies.map(({ state }) => state).sort(), [
      'claimed',
      ...Array(CONTENDERS - 1).fill('running'),
    ])
  },

  'a recovery that drops its claim leaves the record as if nothing had been': async (trial) => {
    const { records, name } = trial
    await lapse(records, name)
    const recovery = once(name, { takeover: 'recover' })
    await begun('claimed', records, recovery)
    assert.equal(await records.drop(name, recovery.id), true)
    const { lost } = await begun('claimed', records, once(name, { fingerprint: 'another' }))
    assert.equal(lost, undefined)
  },
})
