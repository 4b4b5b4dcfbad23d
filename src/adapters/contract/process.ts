// One process of a check: its adapter, and the inbox that its waiters are called on.
import { fail } from 'node:assert/strict'
import type { Adapter, BeatReply, Grants, Inbox } from '../../core/ports.ts'
import { freshId, type Trial } from './trial.ts'

/** How long a waiter waits between two beats, and how long altogether. */
const BEAT = 100
const PATIENCE = 30_000

/** A process whose waiters wait as the library's do: called by a message, or found by a beat. */
export class Process {
  readonly adapter: Adapter
  /** The messages that came, in order. */
  readonly heard: string[] = []
  readonly #trial: Trial
  readonly #inboxId = freshId()
  readonly #calls = new Set<string>()
  readonly #listeners = new Map<string, () => void>()
  #listening = false

  private constructor(trial: Trial, adapter: Adapter) {
    this.#trial = trial
    this.adapter = adapter
  }

  /** A process that listens, if the store can send messages. */
  static async listening(trial: Trial, adapter: Adapter = trial.adapter): Promise<Process> {
    const process = new Process(trial, adapter)
    await process.#listen()
    return process
  }

  /** A process that is never called and only beats. */
  static beating(trial: Trial, adapter: Adapter = trial.adapter): Process {
    return new Process(trial, adapter)
  }

  get grants(): Grants {
    return this.adapter.grants
  }

  get inbox(): Inbox {
    return { id: this.#inboxId, listening: this.#listening }
  }

  /** Asks what became of waiters, and so keeps them alive. */
  beat(resource: string, ids: readonly string[]): Promise<BeatReply> {
    return this.grants.beat(resource, this.inbox, ids)
  }

  /** Waits until an attempt is called, or until the store says that it does not know it. */
  async called(resource: string, id: string): Promise<'called' | 'unknown'> {
    for (let waited = 0; waited < PATIENCE; waited += BEAT) {
      await Promise.race([this.#message(id), this.#trial.pass(BEAT)])
      if (this.#calls.delete(id)) return 'called'
      const { granted, unknown } = await this.beat(resource, [id])
      if (granted.includes(id)) return 'called'
      if (unknown.includes(id)) return 'unknown'
    }
    return fail(`Expected a waiter to be called within ${PATIENCE} ms, and it was not`)
  }

  async #listen(): Promise<void> {
    const message = (id: string): void => {
      this.heard.push(id)
      this.#calls.add(id)
      this.#listeners.get(id)?.()
      this.#listeners.delete(id)
    }
    try {
      const { signals } = this.adapter
      const listening = await signals.listen(this.#inboxId, { message, restored: () => {} })
      this.#trial.onEnd(() => listening.close())
      this.#listening = listening.live
    } catch {
      // A store may have no messages: then its waiters are found by the beat alone.
    }
  }

  #message(id: string): Promise<void> {
    if (this.#calls.has(id)) return Promise.resolve()
    return new Promise((resolve) => this.#listeners.set(id, resolve))
  }
}
