// Requests that come twice, because a reply was lost: the second one gets the answer of the first.
import assert from 'node:assert/strict'
import { type ContractCheck, checks } from '../check.ts'
import { Contender } from '../contender.ts'
import { Process } from '../process.ts'
import { busy, granted, holders, waiters, within } from '../replies.ts'
import { exclusive, LONG, permits } from '../requests.ts'

/** That an attempt is recognised by its id. */
export const resendChecks: readonly ContractCheck[] = checks('grants', {
  'asking twice is one grant with one token': async (trial) => {
    const { grants, name } = trial
    const other = await trial.open()
    const holder = exclusive(name)
    const token = await granted(grants, holder)
    assert.equal(await granted(other.grants, holder), token)
    assert.deepEqual(await holders(grants, name), [holder.id])
    await grants.release(name, holder.id)
    await granted(grants, exclusive(name))
  },

  'asking five times at once is one grant with one token': async ({ grants, name }) => {
    const holder = exclusive(name)
    const tokens = await Promise.all(Array.from({ length: 5 }, () => granted(grants, holder)))
    assert.equal(new Set(tokens).size, 1)
    await grants.release(name, holder.id)
    await granted(grants, exclusive(name))
  },

  'asking twice takes the permits once': async ({ grants, name }) => {
    const holder = permits(name, 2, 3)
    await granted(grants, holder)
    await granted(grants, holder)
    await granted(grants, permits(name, 1, 3))
    await busy(grants, permits(name, 1, 3))
  },

  'asking again counts the ttl from then': async ({ grants, name }) => {
    const holder = exclusive(name, { ttl: LONG })
    await granted(grants, holder)
    await granted(grants, { ...holder, ttl: 3 * LONG })
    const [shown] = (await grants.inspect(name)).holders
    within('what remains', shown?.remaining ?? 0, 2 * LONG, 3 * LONG)
  },

  'a waiter that asks twice keeps its place': async (trial) => {
    const process = await Process.listening(trial)
    await granted(trial.grants, exclusive(trial.name))
    const first = await new Contender(process, exclusive(trial.name)).queue()
    const second = await new Contender(process, exclusive(trial.name)).queue()
    const again = await first.ask()
    assert.equal(again.state, 'queued')
    assert.ok('waiters' in again)
    assert.deepEqual([again.arrival, again.waiters], [first.arrival, 2])
    assert.deepEqual(await waiters(trial.grants, trial.name), [first.id, second.id])
  },

  'a waiter that asks again after it was called holds': async (trial) => {
    const process = await Process.listening(trial)
    const holder = new Contender(process, exclusive(trial.name))
    await holder.hold()
    const waiter = await new Contender(process, exclusive(trial.name)).queue()
    await holder.release()
    await process.called(trial.name, waiter.id)
    assert.equal((await waiter.ask()).state, 'granted')
    assert.deepEqual(await holders(trial.grants, trial.name), [waiter.id])
  },

  'a claim that is sent twice answers the same token': async (trial) => {
    const process = await Process.listening(trial)
    const holder = new Contender(process, exclusive(trial.name))
    await holder.hold()
    const waiter = await new Contender(process, exclusive(trial.name)).queue()
    await holder.release()
    const token = await waiter.turn()
    assert.equal(await waiter.claim(), token)
  },
})
