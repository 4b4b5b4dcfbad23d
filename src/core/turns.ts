// Turns within a process: callers for one name go one after the other, in the order in which they came.
import type { Patience } from './patience.ts'

/** Queues by name; a name that nobody wants takes no memory. */
export class Turns {
  readonly #last = new Map<string, Promise<void>>()

  /** Runs `work` when all earlier callers of the name have ended; gives up its place when patience ends first. */
  async take<T>(name: string, patience: Patience, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(name) ?? Promise.resolve()
    let end: () => void = () => {}
    const mine = new Promise<void>((resolve) => {
      end = resolve
    })
    // Whoever comes next waits for those before too, also when this one has given up.
    const chain = before.then(() => mine)
    this.#last.set(name, chain)
    try {
      await patience.within(before)
      return await work()
    } finally {
      end()
      if (this.#last.get(name) === chain) {
        void chain.then(() => {
          if (this.#last.get(name) === chain) this.#last.delete(name)
        })
      }
    }
  }
}
