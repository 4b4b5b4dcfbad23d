// Renewals: they prolong what is held, and create nothing.
import assert from 'node:assert/strict'
import { type ContractCheck, checks } from '../check.ts'
import { Contender } from '../contender.ts'
import { Process } from '../process.ts'
import { busy, granted, holders, waiters, within } from '../replies.ts'
import { exclusive, LONG, SHORT } from '../requests.ts'
import { freshId, freshName } from '../trial.ts'

/** That a renewal never creates and never touches what another attempt holds. */
export const renewalChecks: readonly ContractCheck[] = checks('grants', {
  'a renewal counts from now and answers the token of the grant': async ({ grants, name }) => {
    const holder = exclusive(name, { ttl: LONG })
    const token = await granted(grants, holder)
    assert.equal(await grants.renew(name, holder.id, 3 * LONG), token)
    const [shown] = (await grants.inspect(name)).holders
    within('what remains', shown?.remaining ?? 0, 2 * LONG, 3 * LONG)
    assert.equal(shown?.token, token)
  },

  'a renewal may make a grant shorter': async (trial) => {
    const { grants, name } = trial
    const holder = exclusive(name)
    await granted(grants, holder)
    await grants.renew(name, holder.id, SHORT)
    await trial.until('the shortened grant to lapse', async () => {
      return (await grants.acquire(exclusive(name))).state === 'granted'
    })
  },

  'a grant that is renewed in time outlives its first ttl': async (trial) => {
    const { grants } = trial
    const renewed = await trial.until('a renewal to come in time', async () => {
      const holder = exclusive(freshName(), { ttl: 5 * SHORT })
      await granted(grants, holder)
      const token = await grants.renew(holder.resource, holder.id, LONG)
      return token === undefined ? undefined : holder
    })
    await trial.pass(8 * SHORT)
    await busy(grants, exclusive(renewed.resource))
    assert.deepEqual(await holders(grants, renewed.resource), [renewed.id])
  },

  'a lapsed grant cannot be renewed': async (trial) => {
    const { grants, name } = trial
    const holder = exclusive(name, { ttl: SHORT })
    await granted(grants, holder)
    await trial.pass(3 * SHORT)
    assert.equal(await grants.renew(name, holder.id, LONG), undefined)
    await granted(grants, exclusive(name))
  },

  'a holder that lapsed cannot renew the grant of the next holder': async (trial) => {
    const { grants, name } = trial
    const lapsed = exclusive(name, { ttl: SHORT })
    await granted(grants, lapsed)
    const next = exclusive(name, { ttl: LONG })
    await trial.until('the next attempt to be granted', async () => {
      return (await grants.acquire(next)).state === 'granted'
    })
    assert.equal(await grants.renew(name, lapsed.id, 5 * LONG), undefined)
    const view = await grants.inspect(name)
    assert.deepEqual(
      view.holders.map(({ id }) => id),
      [next.id],
    )
    within('what remains to the next holder', view.holders[0]?.remaining ?? 0, 1, LONG)
  },

  'a released grant cannot be renewed': async ({ grants, name }) => {
    const holder = exclusive(name)
    await granted(grants, holder)
    await grants.release(name, holder.id)
    assert.equal(await grants.renew(name, holder.id, LONG), undefined)
    assert.deepEqual(await holders(grants, name), [])
  },

  'an attempt that does not hold can renew nothing': async (trial) => {
    const other = await trial.open()
    await granted(trial.grants, exclusive(trial.name, { ttl: LONG }))
    assert.equal(await other.grants.renew(trial.name, freshId(), 5 * LONG), undefined)
    const [holder] = (await trial.grants.inspect(trial.name)).holders
    within('what remains', holder?.remaining ?? 0, 1, LONG)
  },

  'renewing what nobody holds creates nothing': async ({ grants, name }) => {
    assert.equal(await grants.renew(name, freshId(), LONG), undefined)
    assert.deepEqual(await grants.inspect(name), { holders: [], waiters: [] })
    await granted(grants, exclusive(name))
  },

  'a waiter cannot renew itself into the resource': async (trial) => {
    const process = await Process.listening(trial)
    const holder = new Contender(process, exclusive(trial.name))
    await holder.hold()
    const waiter = await new Contender(process, exclusive(trial.name)).queue()
    assert.equal(await waiter.claim(), undefined)
    assert.deepEqual(await holders(trial.grants, trial.name), [holder.id])
    assert.deepEqual(await waiters(trial.grants, trial.name), [waiter.id])
  },
})
