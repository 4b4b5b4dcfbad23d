// Taking turns at a number of places, for no longer than each can wait.
import { left } from './within.ts'

interface Turn {
  readonly begin: () => void
}

/** Places, and those who wait for one: the urgent first, and among equals first come, first served. */
export class Turns {
  #free: number
  readonly #urgent: Turn[] = []
  readonly #others: Turn[] = []

  constructor(places: number) {
    this.#free = places
  }

  /** Waits for a place; answers false when none came free in time. Whoever got one must `leave`. */
  enter(until: number, urgent: boolean): boolean | Promise<boolean> {
    if (this.#free > 0) {
      this.#free--
      return true
    }
    const queue = urgent ? this.#urgent : this.#others
    return new Promise((resolve) => {
      const turn: Turn = {
        begin: () => {
          clearTimeout(timer)
          resolve(true)
        },
      }
      const timer = setTimeout(() => {
        queue.splice(queue.indexOf(turn), 1)
        resolve(false)
      }, left(until))
      queue.push(turn)
    })
  }

  /** Gives a place up, to whoever is next. */
  leave(): void {
    const next = this.#urgent.shift() ?? this.#others.shift()
    if (next) next.begin()
    else this.#free++
  }
}
