// The first request about a record claims its execution, and the others wait for its end.
import assert from 'node:assert/strict'
import { type ContractCheck, checks } from '../check.ts'
import { begun, granted, within } from '../replies.ts'
import { exclusive, LONG, once } from '../requests.ts'
import { freshName } from '../trial.ts'

const CONTENDERS = 30

/** That an execution is claimed once. */
export const beginChecks: readonly ContractCheck[] = checks('records', {
  'the first request claims the execution': async ({ records, name }) => {
    const { token, lost } = await begun('claimed', records, once(name))
    assert.ok(Number.isSafeInteger(token) && token > 0, `Expected a token, got ${token}`)
    assert.equal(lost, undefined)
  },

  'while it runs, another request is told for how long and by whom': async (trial) => {
    const other = await trial.open()
    const meta = { traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` }
    await begun('claimed', trial.records, once(trial.name, { lease: LONG, meta }))
    for (const { records } of [trial.adapter, other]) {
      const running = await begun('running', records, once(trial.name))
      within('retryAfter', running.retryAfter, LONG / 2, LONG)
      assert.equal(running.meta.traceparent, meta.traceparent)
    }
  },

  'a running execution is not taken over, whoever asks': async ({ records, name }) => {
    await begun('claimed', records, once(name))
    await begun('running', records, once(name, { takeover: 'rerun' }))
    await begun('running', records, once(name, { takeover: 'recover' }))
  },

  'of many requests at once one claims and the others are told that it runs': async (trial) => {
    const other = await trial.open()
    const replies = await Promise.all(
      Array.from({ length: CONTENDERS }, (_, i) =>
        (i % 2 ? trial.adapter : other).records.begin(once(trial.name)),
      ),
    )
    assert.deepEqual(replies.map(({ state }) => state).sort(), [
      'claimed',
      ...Array(CONTENDERS - 1).fill('running'),
    ])
  },

  'records do not touch each other': async ({ records, name }) => {
    const first = once(name)
    await begun('claimed', records, first)
    const second = once(freshName())
    await begun('claimed', records, second)
    await records.drop(name, first.id)
    await begun('running', records, once(second.record))
  },

  'a record and a resource of the same name do not touch each other': async (trial) => {
    await granted(trial.grants, exclusive(trial.name))
    await begun('claimed', trial.records, once(trial.name))
  },

  'asking twice is one claim with one token': async (trial) => {
    const other = await trial.open()
    const request = once(trial.name)
    const { token } = await begun('claimed', trial.records, request)
    const again = await begun('claimed', other.records, request)
    assert.deepEqual([again.token, again.lost], [token, undefined])
  },

  'asking five times at once is one claim with one token': async ({ records, name }) => {
    const request = once(name)
    const replies = await Promise.all(
      Array.from({ length: 5 }, () => begun('claimed', records, request)),
    )
    assert.equal(new Set(replies.map(({ token }) => token)).size, 1)
  },
})
