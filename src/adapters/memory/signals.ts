// Messages within this process.
import type { Listening, SignalListener, Signals } from '../../core/ports.ts'

/** Channels by name, each with at most one listener. */
export class MemorySignals implements Signals {
  readonly #listeners = new Map<string, SignalListener>()

  async listen(channel: string, listener: SignalListener): Promise<Listening> {
    this.#listeners.set(channel, listener)
    return {
      live: true,
      suspect: () => {},
      close: () => {
        this.#listeners.delete(channel)
      },
    }
  }

  /** Delivers a message; answers whether anybody listens. */
  publish(channel: string, text: string): boolean {
    const listener = this.#listeners.get(channel)
    // After the step that sends it: a listener that asks the store at once must find what the message says.
    if (listener) queueMicrotask(() => listener.message(text))
    return listener !== undefined
  }
}
