// The user's pool: its clients are borrowed for one statement at a time, within a deadline, and never held while waiting.
import type { Pool, PoolClient } from 'pg'
import { ClosedError, StoreUnavailableError } from '../../core/errors.ts'
import { isHarmless } from './failure.ts'
import { Turns } from './turns.ts'
import { left, within } from './within.ts'

const known = new WeakMap<Pool, Clients>()

/** The clients of one pool, shared by all adapters over it. */
export class Clients {
  readonly #pool: Pool
  /**
   * As many callers as the pool has clients: whoever waits in the pool's own queue cannot take a client that the pool
   * opens without a time limit, and would lose it for ever on a network that says nothing.
   */
  readonly #turns: Turns
  readonly #onEnd = new Set<() => void>()

  private constructor(pool: Pool) {
    this.#pool = pool
    this.#turns = new Turns(pool.options?.max || 10)
    // Without a listener, a connection that the server ends while nobody uses it ends the process.
    if (pool.listenerCount('error') === 0) pool.on('error', () => {})
    // A pool does not say that it ends; its clients are removed then.
    pool.on('remove', () => {
      if (!this.ended) return
      for (const end of this.#onEnd) end()
      this.#onEnd.clear()
    })
  }

  /** The clients of a pool. */
  static of(pool: Pool): Clients {
    const clients = known.get(pool) ?? new Clients(pool)
    known.set(pool, clients)
    return clients
  }

  /** Whether the user has closed the pool. */
  get ended(): boolean {
    return this.#pool.ending === true
  }

  /** Calls back when the user closes the pool; answers how to take that back. */
  onEnd(end: () => void): () => void {
    this.#onEnd.add(end)
    return () => void this.#onEnd.delete(end)
  }

  /**
   * Lends a client for one piece of work; the urgent go first.
   *
   * A client on which the work failed is dropped by the pool, unless the server only refused.
   *
   * @throws {@link StoreUnavailableError} without effect when none is to be had until then
   */
  async use<T>(
    until: number,
    urgent: boolean,
    work: (client: PoolClient) => Promise<T>,
  ): Promise<T> {
    const entered = this.#turns.enter(until, urgent)
    if (!(entered === true || (await entered))) throw busy()
    const client = await this.#connect(until)
    const ignore = (): void => {}
    // What breaks is told by the statement that fails; without a listener it would end the process.
    client.on('error', ignore)
    let failure: unknown
    try {
      return await work(client)
    } catch (error) {
      failure = error
      throw error
    } finally {
      client.release(failure === undefined || isHarmless(failure) ? undefined : (failure as Error))
      client.removeListener('error', ignore)
      this.#turns.leave()
    }
  }

  /** Connects for whoever has a turn; without a client the turn is over. */
  async #connect(until: number): Promise<PoolClient> {
    if (this.ended) {
      this.#turns.leave()
      const message = 'The pool that the adapter was given is closed'
      // The cause says that asking again is in vain.
      throw new StoreUnavailableError(message, { outcome: 'none', cause: new ClosedError(message) })
    }
    // Over only when the pool has answered: until then the attempt takes one of its places.
    const asked = this.#ask(left(until)).catch((error: unknown) => {
      this.#turns.leave()
      throw error
    })
    try {
      return await within(until, asked, busy, (client) => {
        client.release()
        this.#turns.leave()
      })
    } catch (error) {
      if (error instanceof StoreUnavailableError) throw error
      throw new StoreUnavailableError(
        `No connection to PostgreSQL: ${(error as Error | undefined)?.message}`,
        { outcome: 'none', cause: error },
      )
    }
  }

  /**
   * Asks the pool with a time limit of our own, which it reads at once: by its default an attempt to connect may take for
   * ever and its place in the pool with it. The user's limit is back before anybody else asks.
   */
  async #ask(ms: number): Promise<PoolClient> {
    const { options } = this.#pool
    const users = options.connectionTimeoutMillis
    options.connectionTimeoutMillis = users ? Math.min(users, ms) : ms
    let asked: Promise<PoolClient>
    try {
      asked = this.#pool.connect()
    } finally {
      options.connectionTimeoutMillis = users
    }
    return asked
  }
}

function busy(): StoreUnavailableError {
  return new StoreUnavailableError('No client of the pool came free in time', { outcome: 'none' })
}
