// A store that lost its data: nobody holds, everybody is told, and tokens go on growing.
import assert from 'node:assert/strict'
import { type ContractCheck, checks } from '../check.ts'
import { Contender } from '../contender.ts'
import { Process } from '../process.ts'
import { granted, holders } from '../replies.ts'
import { exclusive, LONG } from '../requests.ts'

/** What a store promises after it forgot everything. */
export const dataLossChecks: readonly ContractCheck[] = checks(
  'grants',
  {
    'tokens keep growing when the store has lost its data': async (trial) => {
      const before = await granted(trial.grants, exclusive(trial.name))
      await trial.lose()
      const { grants } = await trial.open()
      const after = await granted(grants, exclusive(trial.name))
      assert.ok(after > before, `Expected a token above ${before}, got ${after}`)
    },

    'a grant that the store has lost cannot be renewed into being': async (trial) => {
      const holder = exclusive(trial.name)
      await granted(trial.grants, holder)
      await trial.lose()
      const { grants } = await trial.open()
      assert.equal(await grants.renew(trial.name, holder.id, LONG), undefined)
      assert.equal(await grants.release(trial.name, holder.id), false)
      assert.deepEqual(await holders(grants, trial.name), [])
    },

    'a waiter that the store has lost is told to ask again': async (trial) => {
      const before = await Process.listening(trial)
      const holder = new Contender(before, exclusive(trial.name))
      await holder.hold()
      const waiter = await new Contender(before, exclusive(trial.name)).queue()
      await trial.lose()
      const after = await Process.listening(trial, await trial.open())
      const { unknown } = await after.beat(trial.name, [waiter.id])
      assert.deepEqual(unknown, [waiter.id])
    },
  },
  'lose',
)
