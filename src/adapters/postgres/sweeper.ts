// Dropping rows that nobody needs any more, a few at a time and in the background of calls.
import { quietly } from '../../telemetry/index.ts'
import type { Clients } from './clients.ts'
import { ask } from './statement.ts'

const SWEEPS = [
  'grant_sweep',
  'record_sweep',
  'rate_sweep',
  'breaker_sweep',
  'history_sweep',
  'fence_sweep',
]
/** Two rows of each table are looked at for each call, so that it keeps up with any rate of new names. */
const CALLS = 250
const ROWS = 500
const EVERY = 60_000

/** Walks through all rows by name, again and again, while calls are made. */
export class Sweeper {
  readonly #clients: Clients
  readonly #text: string
  readonly #deadline: number
  #calls = 0
  #sweptAt = performance.now()
  #after: readonly string[] = SWEEPS.map(() => '')
  #sweeping = false

  constructor(clients: Clients, schema: string, deadline: number) {
    this.#clients = clients
    const calls = SWEEPS.map((name, at) => `${schema}.${name}($${at + 2}, $1)`)
    this.#text = `select ${calls.join(', ')}`
    this.#deadline = deadline
  }

  /** Counts a call, and sweeps when it is time. */
  count(): void {
    this.#calls++
    if (this.#sweeping) return
    if (this.#calls < CALLS && performance.now() - this.#sweptAt < EVERY) return
    this.#calls = 0
    this.#sweptAt = performance.now()
    this.#sweeping = true
    // What is left over is swept the next time.
    quietly(() => this.sweep())
      .catch(() => {})
      .finally(() => {
        this.#sweeping = false
      })
  }

  /** Looks at the next rows. */
  async sweep(): Promise<void> {
    const until = performance.now() + this.#deadline
    const row = await this.#clients.use(until, false, (client) =>
      ask(client, { text: this.#text }, [ROWS, ...this.#after], until),
    )
    this.#after = SWEEPS.map((_name, at) => row[at] ?? '')
  }
}
