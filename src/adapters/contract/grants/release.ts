// Releases: they end what is one's own, and nothing else.
import assert from 'node:assert/strict'
import { type ContractCheck, checks } from '../check.ts'
import { Contender } from '../contender.ts'
import { Process } from '../process.ts'
import { busy, granted, holders, waiters } from '../replies.ts'
import { exclusive, reader, SHORT, writer } from '../requests.ts'
import { freshId } from '../trial.ts'

/** That a release, which is also the abort of a waiter and the undo of a late grant, frees its own share only. */
export const releaseChecks: readonly ContractCheck[] = checks('grants', {
  'a release frees the resource and says that it was held': async ({ grants, name }) => {
    const holder = exclusive(name)
    await granted(grants, holder)
    assert.equal(await grants.release(name, holder.id), true)
    await granted(grants, exclusive(name))
  },

  'a second release says that nothing was held': async ({ grants, name }) => {
    const holder = exclusive(name)
    await granted(grants, holder)
    await grants.release(name, holder.id)
    assert.equal(await grants.release(name, holder.id), false)
  },

  'a second release takes nothing from the next holder': async ({ grants, name }) => {
    const first = exclusive(name)
    const second = exclusive(name)
    await granted(grants, first)
    await grants.release(name, first.id)
    await granted(grants, second)
    assert.equal(await grants.release(name, first.id), false)
    assert.deepEqual(await holders(grants, name), [second.id])
  },

  'an attempt that does not hold can release nothing': async (trial) => {
    const other = await trial.open()
    const holder = exclusive(trial.name)
    await granted(trial.grants, holder)
    assert.equal(await trial.grants.release(trial.name, freshId()), false)
    assert.equal(await other.grants.release(trial.name, freshId()), false)
    await busy(trial.grants, exclusive(trial.name))
    assert.equal(await trial.grants.release(trial.name, holder.id), true)
  },

  'a holder whose time was over is told so when it releases': async (trial) => {
    const { grants, name } = trial
    const holder = exclusive(name, { ttl: SHORT })
    await granted(grants, holder)
    await trial.pass(3 * SHORT)
    assert.equal(await grants.release(name, holder.id), false)
  },

  'a holder that lapsed cannot release the next holder': async (trial) => {
    const { grants, name } = trial
    const lapsed = exclusive(name, { ttl: SHORT })
    const next = exclusive(name)
    await granted(grants, lapsed)
    await trial.until('the next attempt to be granted', async () => {
      return (await grants.acquire(next)).state === 'granted'
    })
    assert.equal(await grants.release(name, lapsed.id), false)
    await busy(grants, exclusive(name))
    assert.equal(await grants.release(name, next.id), true)
  },

  'releasing what nobody ever asked for is harmless': async ({ grants, name }) => {
    assert.equal(await grants.release(name, freshId()), false)
    await granted(grants, exclusive(name))
  },

  'a waiter that gives up leaves the queue and is told that it did not hold': async (trial) => {
    const process = await Process.listening(trial)
    const holder = new Contender(process, exclusive(trial.name))
    const waiter = new Contender(process, exclusive(trial.name))
    await holder.hold()
    await waiter.queue()
    assert.equal(await waiter.release(), false)
    assert.deepEqual(await waiters(trial.grants, trial.name), [])
    await holder.release()
    assert.deepEqual(await holders(trial.grants, trial.name), [])
  },

  'a waiter that gives up lets in those behind it who fit now': async (trial) => {
    const process = await Process.listening(trial)
    await granted(trial.grants, reader(trial.name))
    const blocked = await new Contender(process, writer(trial.name)).queue()
    const behind = await new Contender(process, reader(trial.name)).queue()
    await blocked.release()
    await behind.turn()
  },

  'a waiter that gives up after it was called passes the call on': async (trial) => {
    const process = await Process.listening(trial)
    const holder = new Contender(process, exclusive(trial.name))
    await holder.hold()
    const called = await new Contender(process, exclusive(trial.name)).queue()
    const next = await new Contender(process, exclusive(trial.name)).queue()
    await holder.release()
    await process.called(trial.name, called.id)
    await called.release()
    await next.turn()
    assert.deepEqual(await holders(trial.grants, trial.name), [next.id])
  },
})
