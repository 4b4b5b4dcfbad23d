// The beat: it keeps the waiters of a process alive and tells what became of them.
import assert from 'node:assert/strict'
import { type ContractCheck, checks } from '../check.ts'
import { Contender } from '../contender.ts'
import { Process } from '../process.ts'
import { granted, waiters } from '../replies.ts'
import { exclusive } from '../requests.ts'
import { freshId } from '../trial.ts'

/** That the store knows which processes live. */
export const beatChecks: readonly ContractCheck[] = checks('grants', {
  'a beat names the attempts that the store does not know, and only those': async (trial) => {
    const process = Process.beating(trial)
    const holder = new Contender(process, exclusive(trial.name))
    await holder.hold()
    const waiter = await new Contender(process, exclusive(trial.name)).queue()
    const stranger = freshId()
    const reply = await process.beat(trial.name, [holder.id, stranger, waiter.id])
    assert.deepEqual([reply.granted, reply.unknown], [[], [stranger]])
  },

  'a beat about a resource that nobody knows names all and creates nothing': async (trial) => {
    const process = Process.beating(trial)
    const ids = [freshId(), freshId()]
    const { granted: none, unknown, hint } = await process.beat(trial.name, ids)
    assert.deepEqual([none, unknown, hint], [[], ids, 0])
    assert.deepEqual(await trial.grants.inspect(trial.name), { holders: [], waiters: [] })
  },

  'a waiter whose process beats stays in the queue': async (trial) => {
    const process = Process.beating(trial)
    await granted(trial.grants, exclusive(trial.name))
    const waiter = await new Contender(process, exclusive(trial.name)).queue()
    for (let second = 0; second < 5; second++) {
      await trial.pass(1_000)
      const { unknown } = await process.beat(trial.name, [waiter.id])
      assert.deepEqual(unknown, [])
    }
    assert.deepEqual(await waiters(trial.grants, trial.name), [waiter.id])
  },

  'a waiter whose process fell silent is forgotten, and finds its place again': async (trial) => {
    const silent = Process.beating(trial, await trial.open())
    const process = Process.beating(trial)
    const holder = new Contender(process, exclusive(trial.name))
    await holder.hold()
    const forgotten = await new Contender(silent, exclusive(trial.name)).queue()
    const next = await new Contender(process, exclusive(trial.name)).queue()
    await trial.until('the silent waiter to be forgotten', async () => {
      await process.beat(trial.name, [next.id])
      return !(await waiters(trial.grants, trial.name)).includes(forgotten.id)
    })
    const { unknown } = await silent.beat(trial.name, [forgotten.id])
    assert.deepEqual(unknown, [forgotten.id])
    await forgotten.queue()
    assert.deepEqual(await waiters(trial.grants, trial.name), [forgotten.id, next.id])
    await holder.release()
    await forgotten.turn()
  },
})
