// Units of rate limits that are held in this process for work of which it is not known yet whether it counts.

/** A look at what the store says, and the units that were spent since: the store may have answered before. */
interface Look {
  spentSince: number
}

/** What of one key is held and spent. */
interface Entry {
  held: number
  readonly looks: Set<Look>
  /** Settles when everything is spent that is being spent now. */
  spending: Promise<unknown> | undefined
  /** Calls that look or spend now. */
  users: number
}

/** Held units by key; a key that nobody uses takes no memory. */
export class Reservations {
  readonly #entries = new Map<string, Entry>()

  /**
   * Looks at how a key stands, by `ask`, and decides at once when the answer has come.
   *
   * `decide` is told how many units there are that the answer does not count, or may not.
   */
  look<T, R>(
    key: string,
    ask: () => Promise<T>,
    decide: (answer: T, held: number) => R,
  ): Promise<R> {
    return this.#use(key, async (entry) => {
      // Whether an answer counts what is being spent while it is asked for cannot be known.
      while (entry.spending) await entry.spending
      const look: Look = { spentSince: 0 }
      entry.looks.add(look)
      try {
        const answer = await ask()
        return decide(answer, entry.held + look.spentSince)
      } finally {
        entry.looks.delete(look)
      }
    })
  }

  /** Holds units; to be called while deciding, so that nobody decides in between. */
  hold(key: string, units: number): void {
    const entry = this.#entry(key)
    entry.held += units
  }

  /** Lets held units go. */
  letGo(key: string, units: number): void {
    const entry = this.#entry(key)
    entry.held -= units
    this.#forget(key, entry)
  }

  /** Spends held units by `spend`: until the store has them, nobody is let in on them. */
  spend(key: string, units: number, spend: () => Promise<unknown>): Promise<void> {
    return this.#use(key, async (entry) => {
      const spent = spend().finally(() => {
        entry.held -= units
        for (const look of entry.looks) look.spentSince += units
      })
      const all = Promise.allSettled([entry.spending, spent])
      entry.spending = all
      await all
      if (entry.spending === all) entry.spending = undefined
      await spent
    })
  }

  async #use<T>(key: string, work: (entry: Entry) => Promise<T>): Promise<T> {
    const entry = this.#entry(key)
    entry.users++
    try {
      return await work(entry)
    } finally {
      entry.users--
      this.#forget(key, entry)
    }
  }

  #entry(key: string): Entry {
    const entry = this.#entries.get(key) ?? {
      held: 0,
      looks: new Set(),
      spending: undefined,
      users: 0,
    }
    this.#entries.set(key, entry)
    return entry
  }

  #forget(key: string, { held, users }: Entry): void {
    if (held === 0 && users === 0) this.#entries.delete(key)
  }
}
