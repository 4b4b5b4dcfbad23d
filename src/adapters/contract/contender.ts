// A caller that does as the library does: asks, waits to be called, claims, and asks again when it was forgotten.
import assert from 'node:assert/strict'
import type { GrantReply, GrantRequest } from '../../core/ports.ts'
import type { Process } from './process.ts'

const MOST_ASKED = 100

/** One attempt of one process. */
export class Contender {
  readonly id: string
  /** The number that it drew when it joined the queue. */
  arrival: number | undefined
  readonly #process: Process
  readonly #request: GrantRequest

  constructor(process: Process, request: GrantRequest) {
    this.#process = process
    this.#request = request
    this.id = request.id
  }

  /** Asks, and joins the queue when it does not fit now. */
  async ask(): Promise<GrantReply> {
    const reply = await this.#process.grants.acquire({
      ...this.#request,
      wait: true,
      inbox: this.#process.inbox,
      arrival: this.arrival,
    })
    if (reply.state === 'queued') this.arrival ??= reply.arrival
    return reply
  }

  /** Asks, and expects to join the queue; answers itself. */
  async queue(): Promise<this> {
    const { state } = await this.ask()
    assert.equal(state, 'queued', 'Expected an attempt that does not fit to join the queue')
    return this
  }

  /** Waits for its turn and claims; answers the token. */
  async turn(): Promise<number> {
    for (let asked = 0; asked < MOST_ASKED; asked++) {
      if ((await this.#process.called(this.#request.resource, this.id)) === 'called') {
        const token = await this.claim()
        if (token !== undefined) return token
      }
      const reply = await this.ask()
      if (reply.state === 'granted') return reply.token
    }
    return assert.fail(`Expected a turn, and was called for nothing ${MOST_ASKED} times`)
  }

  /** Asks, waits if need be, and answers the token. */
  async hold(): Promise<number> {
    const reply = await this.ask()
    return reply.state === 'granted' ? reply.token : this.turn()
  }

  /** Takes what was handed over; undefined when it came too late. */
  claim(): Promise<number | undefined> {
    const { resource, ttl } = this.#request
    return this.#process.grants.renew(resource, this.id, ttl)
  }

  /** Gives back, or leaves the queue. */
  release(): Promise<boolean> {
    return this.#process.grants.release(this.#request.resource, this.id)
  }
}
