// Weighted grants: several permits at once, all or none.
import assert from 'node:assert/strict'
import { type ContractCheck, checks } from '../check.ts'
import { Contender } from '../contender.ts'
import { Process } from '../process.ts'
import { busy, granted, holders, waiters } from '../replies.ts'
import { permits } from '../requests.ts'

/** That the capacity is kept by weight. */
export const permitChecks: readonly ContractCheck[] = checks('grants', {
  'permits are granted up to the capacity, across processes': async (trial) => {
    const { grants, name } = trial
    const other = await trial.open()
    await granted(grants, permits(name, 1, 3))
    await granted(other.grants, permits(name, 1, 3))
    await granted(grants, permits(name, 1, 3))
    await busy(grants, permits(name, 1, 3))
    await busy(other.grants, permits(name, 1, 3))
  },

  'several permits are taken all at once or not at all': async ({ grants, name }) => {
    await granted(grants, permits(name, 2, 4))
    await busy(grants, permits(name, 3, 4))
    await granted(grants, permits(name, 2, 4))
  },

  'a release gives back as many permits as were taken': async ({ grants, name }) => {
    const holder = permits(name, 3, 4)
    await granted(grants, holder)
    await grants.release(name, holder.id)
    await granted(grants, permits(name, 4, 4))
  },

  'a large request is not overtaken by small ones that would fit': async (trial) => {
    const process = await Process.listening(trial)
    const holder = new Contender(process, permits(trial.name, 2, 3))
    await holder.hold()
    const large = await new Contender(process, permits(trial.name, 3, 3)).queue()
    const small = await new Contender(process, permits(trial.name, 1, 3)).queue()
    await busy(trial.grants, permits(trial.name, 1, 3))
    await process.beat(trial.name, [large.id, small.id])
    assert.deepEqual(await waiters(trial.grants, trial.name), [large.id, small.id])
    await holder.release()
    await large.turn()
    assert.deepEqual(await holders(trial.grants, trial.name), [large.id])
    await large.release()
    await small.turn()
  },

  'one release may let in several waiters': async (trial) => {
    const process = await Process.listening(trial)
    const holder = new Contender(process, permits(trial.name, 3, 3))
    await holder.hold()
    const small: Contender[] = []
    for (let i = 0; i < 4; i++) {
      small.push(await new Contender(process, permits(trial.name, 1, 3)).queue())
    }
    await holder.release()
    await Promise.all(small.slice(0, 3).map((each) => each.turn()))
    assert.deepEqual(await waiters(trial.grants, trial.name), [small[3]?.id])
    await small[0]?.release()
    await small[3]?.turn()
  },

  'requests that believe in different capacities each keep to their own': async (trial) => {
    const { grants, name } = trial
    await granted(grants, permits(name, 1, 1))
    await busy(grants, permits(name, 1, 1))
    await granted(grants, permits(name, 1, 2))
    await busy(grants, permits(name, 1, 2))
  },

  'a capacity of a million can be held in two halves': async ({ grants, name }) => {
    await granted(grants, permits(name, 500_000, 1_000_000))
    await granted(grants, permits(name, 500_000, 1_000_000))
    await busy(grants, permits(name, 1, 1_000_000))
  },
})
