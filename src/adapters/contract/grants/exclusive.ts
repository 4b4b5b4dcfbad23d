// Exclusive grants: one holder at a time.
import assert from 'node:assert/strict'
import { type ContractCheck, checks } from '../check.ts'
import { busy, granted, holders, waiters, within } from '../replies.ts'
import { exclusive, LONG } from '../requests.ts'
import { freshName } from '../trial.ts'

const CONTENDERS = 30

/** That an exclusive grant excludes. */
export const exclusiveChecks: readonly ContractCheck[] = checks('grants', {
  'a free resource is granted at once': async ({ grants, name }) => {
    const request = exclusive(name)
    await granted(grants, request)
    assert.deepEqual(await holders(grants, name), [request.id])
  },

  'while a resource is held, another attempt is busy': async ({ grants, name }) => {
    const holder = exclusive(name)
    await granted(grants, holder)
    await busy(grants, exclusive(name))
    assert.deepEqual(await holders(grants, name), [holder.id])
  },

  'a resource is held against every other process': async (trial) => {
    const other = await trial.open()
    await granted(trial.grants, exclusive(trial.name))
    await busy(other.grants, exclusive(trial.name))
  },

  'a label is no identity: two attempts with the same owner exclude each other': async (trial) => {
    const meta = { owner: 'worker-1' }
    const holder = exclusive(trial.name, { meta })
    await granted(trial.grants, holder)
    await busy(trial.grants, exclusive(trial.name, { meta }))
    assert.deepEqual(await holders(trial.grants, trial.name), [holder.id])
  },

  'resources do not touch each other': async ({ grants, name }) => {
    const other = freshName()
    const request = exclusive(name)
    await granted(grants, request)
    await granted(grants, exclusive(other))
    await grants.release(name, request.id)
    await busy(grants, exclusive(other))
  },

  'busy says who holds and when the holder lapses': async ({ grants, name }) => {
    const meta = { owner: 'worker-1', traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` }
    await granted(grants, exclusive(name, { meta, ttl: LONG }))
    const { hint, waiters: waiting, holder } = await busy(grants, exclusive(name))
    within('the hint', hint, LONG / 2, LONG)
    assert.equal(waiting, 0)
    assert.deepEqual({ ...holder }, meta)
  },

  'an attempt that was busy leaves nothing behind': async ({ grants, name }) => {
    const holder = exclusive(name)
    const late = exclusive(name)
    await granted(grants, holder)
    await busy(grants, late)
    assert.deepEqual(await waiters(grants, name), [])
    await grants.release(name, holder.id)
    assert.deepEqual(await holders(grants, name), [])
    assert.equal(await grants.release(name, late.id), false)
  },

  'of many attempts at a fresh resource one is granted and the others are busy': async (trial) => {
    const other = await trial.open()
    const replies = await Promise.all(
      Array.from({ length: CONTENDERS }, (_, i) =>
        (i % 2 ? trial.adapter : other).grants.acquire(exclusive(trial.name)),
      ),
    )
    assert.deepEqual(replies.map(({ state }) => state).sort(), [
      ...Array(CONTENDERS - 1).fill('busy'),
      'granted',
    ])
  },
})
