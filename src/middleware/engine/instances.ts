// Primitives that live longer than a request: one for each store and name, made when it is first needed.

/** Names that vary with the request must not fill the memory. */
const MOST = 1_000

/** What a guard has made so far. */
export class Instances<T> {
  readonly #byStore = new WeakMap<object, Map<string, T>>()
  /** The one that was asked for last, which most guards are asked for every time. */
  #last: { readonly store: object; readonly name: string; readonly instance: T } | undefined

  /** The one of a store and a name. */
  get(store: object, name: string, make: () => T): T {
    if (this.#last?.store === store && this.#last.name === name) return this.#last.instance
    const instance = this.#find(store, name, make)
    this.#last = { store, name, instance }
    return instance
  }

  #find(store: object, name: string, make: () => T): T {
    const instances = this.#byStore.get(store) ?? new Map<string, T>()
    this.#byStore.set(store, instances)
    const instance = instances.get(name) ?? make()
    // Last in the order of the map, whose first one goes: it was not needed for the longest time.
    instances.delete(name)
    instances.set(name, instance)
    for (const oldest of instances.keys()) {
      if (instances.size <= MOST) break
      instances.delete(oldest)
    }
    return instance
  }
}
