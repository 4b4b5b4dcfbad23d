// A map whose entries end by themselves, without a timer for each.

/** How many entries each write looks at to find ended ones. */
const SWEPT_AT_ONCE = 2

interface Entry<V> {
  readonly value: V
  readonly expiry: number
}

/** Entries by name, each gone when its time is over. */
export class ExpiringMap<V> {
  readonly #now: () => number
  readonly #entries = new Map<string, Entry<V>>()
  #sweeper: Iterator<[string, Entry<V>]> | undefined

  constructor(now: () => number) {
    this.#now = now
  }

  get(name: string): V | undefined {
    const entry = this.#entries.get(name)
    if (!entry || entry.expiry > this.#now()) return entry?.value
    this.#entries.delete(name)
    return undefined
  }

  /** Keeps a value until `expiry` on the map's clock. */
  set(name: string, value: V, expiry: number): void {
    this.#sweep()
    this.#entries.set(name, { value, expiry })
  }

  /** Keeps another value for as long as the one that is there. */
  replace(name: string, value: V): void {
    const entry = this.#entries.get(name)
    if (entry) this.#entries.set(name, { value, expiry: entry.expiry })
  }

  /** The names of all entries, also of ended ones that were not swept yet. */
  names(): IterableIterator<string> {
    return this.#entries.keys()
  }

  delete(name: string): boolean {
    return this.#entries.delete(name)
  }

  #sweep(): void {
    for (let looked = 0; looked < SWEPT_AT_ONCE; looked++) {
      this.#sweeper ??= this.#entries.entries()
      const { done, value } = this.#sweeper.next()
      if (done) this.#sweeper = undefined
      else if (value[1].expiry <= this.#now()) this.#entries.delete(value[0])
    }
  }
}
