// Processes that work for a table together, and what is asked of them.

import { type Child, startChild } from '../test/support/child.ts'

/** Runs the work with so many processes of a program in `workers/`, and ends them. */
export async function withWorkers<T>(
  program: string,
  processes: number,
  order: unknown,
  work: (workers: Workers) => Promise<T>,
): Promise<T> {
  const file = new URL(`workers/${program}`, import.meta.url)
  const children = Array.from({ length: processes }, () => startChild(file, { argument: order }))
  try {
    const ready = await Promise.all(children.map((child) => child.next('ready', PATIENCE)))
    return await work(new Workers(children, ready))
  } finally {
    for (const child of children) await child[Symbol.asyncDispose]()
  }
}

const PATIENCE = 120_000

export class Workers {
  readonly #children: readonly Child[]
  /** What each told when it was ready. */
  readonly ready: readonly Readonly<Record<string, unknown>>[]

  constructor(children: readonly Child[], ready: Workers['ready']) {
    this.#children = children
    this.ready = ready
  }

  /** Sends the same message to all. */
  send(type: string, fields: Readonly<Record<string, unknown>> = {}): void {
    for (const child of this.#children) child.send({ ...fields, type })
  }

  /** What each says of a type. */
  hear<T>(type: string): Promise<T[]> {
    return Promise.all(
      this.#children.map((child) => child.next(type, PATIENCE) as Promise<unknown> as Promise<T>),
    )
  }
}
