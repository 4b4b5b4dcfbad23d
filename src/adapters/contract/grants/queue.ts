// The queue: first come, first served, across processes.
import assert from 'node:assert/strict'
import { type ContractCheck, checks } from '../check.ts'
import { Contender } from '../contender.ts'
import { Process } from '../process.ts'
import { busy, granted, holders, waiters } from '../replies.ts'
import { exclusive } from '../requests.ts'

/** That waiters are served in the order in which they came. */
export const queueChecks: readonly ContractCheck[] = checks('grants', {
  'waiters of several processes are served in the order in which they came': async (trial) => {
    const processes = [
      await Process.listening(trial),
      await Process.listening(trial, await trial.open()),
      await Process.listening(trial, await trial.open()),
    ] as const
    const holder = new Contender(processes[0], exclusive(trial.name))
    await holder.hold()
    const queue: Contender[] = []
    for (let i = 0; i < 6; i++) {
      const process = processes[i % 3] as Process
      queue.push(await new Contender(process, exclusive(trial.name)).queue())
    }
    const served: string[] = []
    const turns = queue.map(async (each) => {
      await each.turn()
      served.push(each.id)
      await each.release()
    })
    await holder.release()
    await Promise.all(turns)
    assert.deepEqual(
      served,
      queue.map(({ id }) => id),
    )
  },

  'a newcomer does not overtake those who wait, even while nobody has claimed': async (trial) => {
    const process = await Process.listening(trial)
    const holder = new Contender(process, exclusive(trial.name))
    await holder.hold()
    const first = await new Contender(process, exclusive(trial.name)).queue()
    const second = await new Contender(process, exclusive(trial.name)).queue()
    await holder.release()
    await busy(trial.grants, exclusive(trial.name))
    await first.turn()
    await first.release()
    await busy(trial.grants, exclusive(trial.name))
    await second.turn()
  },

  'an attempt is told its number in the queue and how many wait': async (trial) => {
    const process = await Process.listening(trial)
    await granted(trial.grants, exclusive(trial.name))
    const numbers: number[] = []
    for (let i = 1; i <= 3; i++) {
      const contender = new Contender(process, exclusive(trial.name))
      const reply = await contender.ask()
      assert.ok(reply.state === 'queued')
      assert.equal(reply.waiters, i)
      numbers.push(reply.arrival ?? Number.NaN)
    }
    assert.equal((await busy(trial.grants, exclusive(trial.name))).waiters, 3)
    assert.ok(numbers.every(Number.isSafeInteger), `Expected numbers, got ${numbers}`)
    assert.deepEqual(
      numbers,
      [...numbers].sort((a, b) => a - b),
    )
    assert.equal(new Set(numbers).size, 3)
  },

  'a waiter that was forgotten gets back to the place that it had': async (trial) => {
    const process = await Process.listening(trial)
    await granted(trial.grants, exclusive(trial.name))
    const first = await new Contender(process, exclusive(trial.name)).queue()
    const second = await new Contender(process, exclusive(trial.name)).queue()
    const third = await new Contender(process, exclusive(trial.name)).queue()
    await first.release()
    await second.release()
    await second.ask()
    await first.ask()
    assert.deepEqual(await waiters(trial.grants, trial.name), [first.id, second.id, third.id])
  },

  'nobody overtakes a waiter that came back to a place that the store had forgotten': async (
    trial,
  ) => {
    const process = await Process.listening(trial)
    await granted(trial.grants, exclusive(trial.name))
    const back = new Contender(process, exclusive(trial.name))
    back.arrival = 57
    await back.queue()
    const next = await new Contender(process, exclusive(trial.name)).queue()
    assert.deepEqual(await waiters(trial.grants, trial.name), [back.id, next.id])
  },

  'a waiter that gives up in the middle does not stop those behind it': async (trial) => {
    const process = await Process.listening(trial)
    const holder = new Contender(process, exclusive(trial.name))
    await holder.hold()
    const first = await new Contender(process, exclusive(trial.name)).queue()
    const middle = await new Contender(process, exclusive(trial.name)).queue()
    const last = await new Contender(process, exclusive(trial.name)).queue()
    await middle.release()
    await holder.release()
    await first.turn()
    await first.release()
    await last.turn()
    assert.deepEqual(await holders(trial.grants, trial.name), [last.id])
  },

  'a free resource is given to each of two who wait, one after the other': async (trial) => {
    const process = await Process.listening(trial)
    const holder = new Contender(process, exclusive(trial.name))
    await holder.hold()
    const waiting = [
      await new Contender(process, exclusive(trial.name)).queue(),
      await new Contender(process, exclusive(trial.name)).queue(),
    ]
    await holder.release()
    for (const each of waiting) {
      await each.turn()
      assert.deepEqual(await holders(trial.grants, trial.name), [each.id])
      await each.release()
    }
    assert.deepEqual(await trial.grants.inspect(trial.name), { holders: [], waiters: [] })
  },
})
