// Messages within this process.
import type { Listening, SignalListener, Signals } from '../../core/ports.ts'

/** Listeners by channel. */
export class MemorySignals implements Signals {
  readonly #listeners = new Map<string, Set<SignalListener>>()

  async listen(channel: string, listener: SignalListener): Promise<Listening> {
    const listeners = this.#listeners.get(channel) ?? new Set()
    this.#listeners.set(channel, listeners.add(listener))
    return {
      live: true,
      suspect: () => {},
      close: () => {
        if (listeners.delete(listener) && listeners.size === 0) this.#listeners.delete(channel)
      },
    }
  }

  /** Delivers a message; answers whether anybody listens. */
  publish(channel: string, text: string): boolean {
    const listeners = this.#listeners.get(channel)
    for (const listener of listeners ?? []) {
      // After the step that sends it: a listener that asks the store at once must find what the message says.
      queueMicrotask(() => listener.message(text))
    }
    return listeners !== undefined
  }
}
