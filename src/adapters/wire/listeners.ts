// Who listens on which channel of a connection that they share.
import type { SignalListener } from '../../core/ports.ts'

/** Listeners by channel; a channel may have several. */
export class Listeners {
  readonly #all = new Map<string, Set<SignalListener>>()
  /** Those who listened when the connection was lost. */
  readonly #deaf = new Set<SignalListener>()

  /** The channels on which anybody listens. */
  get channels(): readonly string[] {
    return [...this.#all.keys()]
  }

  /** Adds a listener; the function returned takes it back once, and answers whether nobody listens on the channel any more. */
  add(channel: string, listener: SignalListener): () => boolean {
    // One that is added twice is heard twice, and taken back one at a time.
    const entry: SignalListener = {
      message: (text) => listener.message(text),
      restored: () => listener.restored(),
    }
    const listeners = this.#all.get(channel) ?? new Set()
    this.#all.set(channel, listeners.add(entry))
    return () => {
      this.#deaf.delete(entry)
      const last = listeners.delete(entry) && listeners.size === 0
      if (last && this.#all.get(channel) === listeners) this.#all.delete(channel)
      return last
    }
  }

  /** Hands on what has come by a channel. */
  message(channel: string, text: string): void {
    for (const listener of this.#all.get(channel) ?? []) listener.message(text)
  }

  /** Notes that all who listen may miss messages from now on. */
  lost(): void {
    for (const listeners of this.#all.values()) {
      for (const listener of listeners) this.#deaf.add(listener)
    }
  }

  /** Tells those who may have missed messages that they hear again. */
  restored(): void {
    const deaf = [...this.#deaf]
    this.#deaf.clear()
    for (const listener of deaf) listener.restored()
  }

  clear(): void {
    this.#all.clear()
    this.#deaf.clear()
  }
}
