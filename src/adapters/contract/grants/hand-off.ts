// The hand-off: what comes free is given to the head of the queue, which is called and claims it.
import assert from 'node:assert/strict'
import { type ContractCheck, checks } from '../check.ts'
import { Contender } from '../contender.ts'
import { Process } from '../process.ts'
import { busy, granted, holders, waiters, within } from '../replies.ts'
import { exclusive, LONG, SHORT } from '../requests.ts'
import { freshId } from '../trial.ts'

/** That a waiter gets its turn by a message, by a beat, and after whoever does not come. */
export const handOffChecks: readonly ContractCheck[] = checks('grants', {
  'a waiter is called by a message that names its attempt': async (trial) => {
    const process = await Process.listening(trial, await trial.open())
    const holder = exclusive(trial.name)
    await granted(trial.grants, holder)
    const waiter = await new Contender(process, exclusive(trial.name)).queue()
    await trial.grants.release(trial.name, holder.id)
    if (!process.inbox.listening) return
    await trial.until('the message', async () => process.heard.includes(waiter.id))
  },

  'a waiter may claim while it is being called': async (trial) => {
    const { grants, signals } = trial.adapter
    const claims: Promise<number | undefined>[] = []
    const inbox = { id: freshId(), listening: true }
    const listening = await signals
      .listen(inbox.id, {
        message: (id) => void claims.push(grants.renew(trial.name, id, LONG)),
        restored: () => {},
      })
      .catch(() => undefined)
    if (!listening) return
    trial.onEnd(() => listening.close())
    const holder = exclusive(trial.name)
    await granted(grants, holder)
    await grants.acquire(exclusive(trial.name, { wait: true, inbox }))
    await grants.release(trial.name, holder.id)
    await trial.until('the message', async () => claims.length > 0)
    assert.notEqual(await claims[0], undefined)
  },

  'one waiter is called, and no other': async (trial) => {
    const near = await Process.listening(trial)
    const far = await Process.listening(trial, await trial.open())
    const holder = new Contender(near, exclusive(trial.name))
    await holder.hold()
    const first = await new Contender(near, exclusive(trial.name)).queue()
    const second = await new Contender(far, exclusive(trial.name)).queue()
    const third = await new Contender(near, exclusive(trial.name)).queue()
    await holder.release()
    await first.turn()
    assert.deepEqual(await waiters(trial.grants, trial.name), [second.id, third.id])
    const { granted: others } = await near.beat(trial.name, [first.id, second.id, third.id])
    assert.deepEqual(others, [])
    assert.deepEqual(far.heard, [])
  },

  'what was handed over is held before it is claimed': async (trial) => {
    const process = await Process.listening(trial)
    const holder = new Contender(process, exclusive(trial.name))
    await holder.hold()
    const waiter = await new Contender(process, exclusive(trial.name)).queue()
    await holder.release()
    await busy(trial.grants, exclusive(trial.name))
    await waiter.turn()
  },

  'a claim holds for the whole ttl, by the token of the hand-off': async (trial) => {
    const process = await Process.listening(trial)
    const holder = new Contender(process, exclusive(trial.name))
    await holder.hold()
    const waiter = await new Contender(process, exclusive(trial.name, { ttl: LONG })).queue()
    await holder.release()
    const token = await waiter.turn()
    const [shown] = (await trial.grants.inspect(trial.name)).holders
    assert.deepEqual([shown?.id, shown?.token], [waiter.id, token])
    within('what remains', shown?.remaining ?? 0, LONG / 2, LONG)
  },

  'a beat finds the hand-off whose message was lost, until it is claimed': async (trial) => {
    const process = Process.beating(trial)
    const holder = new Contender(process, exclusive(trial.name))
    await holder.hold()
    const waiter = await new Contender(process, exclusive(trial.name)).queue()
    await holder.release()
    const found = await process.beat(trial.name, [waiter.id])
    assert.deepEqual([found.granted, found.unknown], [[waiter.id], []])
    await waiter.turn()
    const after = await process.beat(trial.name, [waiter.id])
    assert.deepEqual([after.granted, after.unknown], [[], []])
  },

  'a hand-off that nobody claims goes to the next': async (trial) => {
    const silent = await Process.listening(trial, await trial.open())
    const process = await Process.listening(trial)
    const holder = new Contender(process, exclusive(trial.name))
    await holder.hold()
    const dead = await new Contender(silent, exclusive(trial.name)).queue()
    const next = await new Contender(process, exclusive(trial.name)).queue()
    await holder.release()
    await next.turn()
    assert.deepEqual(await holders(trial.grants, trial.name), [next.id])
    assert.equal(await dead.claim(), undefined, 'A claim that comes too late must get nothing')
    assert.deepEqual(await holders(trial.grants, trial.name), [next.id])
  },

  'a process that does not come when called costs one wait, however many it has waiting': async (
    trial,
  ) => {
    const silent = await Process.listening(trial, await trial.open())
    const process = await Process.listening(trial)
    const holder = new Contender(process, exclusive(trial.name))
    await holder.hold()
    const dead: string[] = []
    for (let i = 0; i < 4; i++) {
      dead.push((await new Contender(silent, exclusive(trial.name)).queue()).id)
    }
    const next = await new Contender(process, exclusive(trial.name)).queue()
    await holder.release()
    await next.turn()
    assert.deepEqual(await waiters(trial.grants, trial.name), [])
    assert.ok(silent.heard.length <= 1, `${silent.heard.length} dead waiters were called`)
    const { unknown } = await silent.beat(trial.name, dead)
    assert.deepEqual(unknown, dead)
  },

  'a waiter whose process is gone is passed over': async (trial) => {
    const process = await Process.listening(trial)
    const holder = new Contender(process, exclusive(trial.name))
    await holder.hold()
    const inbox = { id: freshId(), listening: true }
    await trial.grants.acquire(exclusive(trial.name, { wait: true, inbox }))
    const next = await new Contender(process, exclusive(trial.name)).queue()
    await holder.release()
    await next.turn()
    assert.deepEqual(await holders(trial.grants, trial.name), [next.id])
  },

  'a process that cannot be called gets its turn by its beat': async (trial) => {
    const beating = Process.beating(trial, await trial.open())
    const process = await Process.listening(trial)
    const holder = new Contender(process, exclusive(trial.name))
    await holder.hold()
    const waiter = await new Contender(beating, exclusive(trial.name)).queue()
    const next = await new Contender(process, exclusive(trial.name)).queue()
    await holder.release()
    await waiter.turn()
    assert.deepEqual(await holders(trial.grants, trial.name), [waiter.id])
    await waiter.release()
    await next.turn()
  },

  'what a dead holder leaves goes to those who wait, not to whoever asks next': async (trial) => {
    const process = Process.beating(trial)
    await granted(trial.grants, exclusive(trial.name, { ttl: SHORT }))
    const waiter = await new Contender(process, exclusive(trial.name)).queue()
    await trial.until('the waiter to hold', async () => {
      await busy(trial.grants, exclusive(trial.name))
      return (await holders(trial.grants, trial.name)).includes(waiter.id)
    })
    await waiter.turn()
  },
})
