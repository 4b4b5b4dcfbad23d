// Turns within a process: callers for one name go one after the other, in the order in which they came.
import type { Patience } from './patience.ts'

/** Lines by name; a name that nobody wants takes no memory. */
export class Turns {
  /** What calls each of those in line, the first of whom has its turn. */
  readonly #lines = new Map<string, Set<() => void>>()

  /** How many callers are in line for a name, the one that has its turn included. */
  waiting(name: string): number {
    return this.#lines.get(name)?.size ?? 0
  }

  /** Runs `work` when all earlier callers of the name have ended; gives up its place when patience ends first. */
  async take<T>(name: string, patience: Patience, work: () => Promise<T>): Promise<T> {
    const line = this.#lines.get(name) ?? new Set()
    this.#lines.set(name, line)
    let call: () => void = () => {}
    const called = new Promise<void>((resolve) => {
      call = resolve
    })
    line.add(call)
    if (line.size === 1) call()
    try {
      await patience.within(called)
      return await work()
    } finally {
      line.delete(call)
      const [first] = line
      if (first) first()
      else this.#lines.delete(name)
    }
  }
}
