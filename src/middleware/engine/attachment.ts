// What is kept with an object of a framework for as long as that lives.

/**
 * Something of each object, kept in a property that nobody else sees.
 *
 * A weak map would say the same, but one with an entry for every request is what the garbage collector spends most on.
 */
export class Attachment<T> {
  readonly #property: symbol

  constructor(name: string) {
    this.#property = Symbol(name)
  }

  /** That of an object; undefined when it has none. */
  of(object: object): T | undefined {
    return (object as Readonly<Record<symbol, T>>)[this.#property]
  }

  /** Gives an object its own. */
  attach(object: object, value: T): void {
    Object.defineProperty(object, this.#property, { value })
  }
}
