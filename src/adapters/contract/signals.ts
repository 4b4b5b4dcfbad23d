// Signals: messages between processes, as far as the store has them.
import assert from 'node:assert/strict'
import type { SignalListener } from '../../core/ports.ts'
import { type ContractCheck, checks } from './check.ts'
import { Contender } from './contender.ts'
import { listen } from './listen.ts'
import { Process } from './process.ts'
import { granted } from './replies.ts'
import { exclusive } from './requests.ts'
import { freshId } from './trial.ts'

class Ear implements SignalListener {
  readonly heard: string[] = []

  message(text: string): void {
    this.heard.push(text)
  }

  restored(): void {}
}

/** The promises of the port `signals`; a store without messages, whose `listen` rejects, keeps them all. */
export const signalChecks: readonly ContractCheck[] = checks('signals', {
  'listening is live when it resolves': async (trial) => {
    const listening = await listen(trial, trial.adapter.signals, freshId())
    assert.notEqual(listening?.live, false)
  },

  'each process hears its own calls only': async (trial) => {
    const first = await Process.listening(trial, await trial.open())
    const second = await Process.listening(trial, await trial.open())
    for (const process of [first, second, first]) {
      const holder = new Contender(process, exclusive(trial.name))
      await holder.hold()
      const waiter = await new Contender(process, exclusive(trial.name)).queue()
      await holder.release()
      await waiter.turn()
      await waiter.release()
      const other = process === first ? second : first
      assert.ok(!other.heard.includes(waiter.id), 'A process heard a call of another')
    }
  },

  'one adapter may listen on several channels, and stop on one of them': async (trial) => {
    const { grants, signals } = trial.adapter
    const heard: string[] = []
    const stopped = freshId()
    const kept = freshId()
    const note = (channel: string): Partial<SignalListener> => ({
      message: () => void heard.push(channel),
    })
    const first = await listen(trial, signals, stopped, note(stopped))
    const second = await listen(trial, signals, kept, note(kept))
    if (!first || !second) return
    first.close()
    const holder = exclusive(trial.name)
    await granted(grants, holder)
    await grants.acquire(
      exclusive(trial.name, { wait: true, inbox: { id: stopped, listening: true } }),
    )
    await grants.acquire(
      exclusive(trial.name, { wait: true, inbox: { id: kept, listening: true } }),
    )
    await grants.release(trial.name, holder.id)
    await trial.until('the other channel to be called', async () => {
      await grants.beat(trial.name, { id: kept, listening: true }, [])
      return heard.includes(kept)
    })
    assert.deepEqual(heard, [kept])
  },

  'several may listen on one channel of an adapter, and one that stops leaves the others': async (
    trial,
  ) => {
    const { grants, signals } = trial.adapter
    const channel = freshId()
    const heard: string[] = []
    const [first, second] = await Promise.all(
      ['first', 'second'].map((name) =>
        listen(trial, signals, channel, { message: () => void heard.push(name) }),
      ),
    )
    assert.equal(first === undefined, second === undefined, 'One of two could not listen')
    if (!first) return
    const callOnce = async (resource: string): Promise<void> => {
      heard.length = 0
      const holder = exclusive(resource)
      await granted(grants, holder)
      await grants.acquire(
        exclusive(resource, { wait: true, inbox: { id: channel, listening: true } }),
      )
      await grants.release(resource, holder.id)
      await trial.until('the second listener to be called', async () => {
        await grants.beat(resource, { id: channel, listening: true }, [])
        return heard.includes('second')
      })
    }
    await callOnce(`${trial.name}:1`)
    assert.deepEqual(heard.sort(), ['first', 'second'])
    first.close()
    await callOnce(`${trial.name}:2`)
    assert.deepEqual(heard, ['second'])
  },

  'a listener may be an object of a class': async (trial) => {
    const { grants, signals } = trial.adapter
    const ear = new Ear()
    const inbox = { id: freshId(), listening: true }
    const listening = await signals.listen(inbox.id, ear).catch(() => undefined)
    if (!listening) return
    trial.onEnd(() => listening.close())
    const holder = exclusive(trial.name)
    const waiter = exclusive(trial.name, { wait: true, inbox })
    await granted(grants, holder)
    await grants.acquire(waiter)
    await grants.release(trial.name, holder.id)
    await trial.until('the listener to be called', async () => {
      await grants.beat(trial.name, inbox, [waiter.id])
      return ear.heard.includes(waiter.id)
    })
  },

  'closing twice, and doubting what works, are harmless': async (trial) => {
    const listening = await listen(trial, trial.adapter.signals, freshId())
    listening?.suspect()
    listening?.close()
    listening?.close()
    await granted(trial.grants, exclusive(trial.name))
  },
})
