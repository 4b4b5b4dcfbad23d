// The adapter's own connection for notifications: beside the pool, opened on demand, never keeping the process alive.
import type { Client, Pool } from 'pg'
import { ClosedError, StoreUnavailableError } from '../../core/errors.ts'
import { run } from './statement.ts'
import { within } from './within.ts'

/** What a connection tells. */
export interface ListenerEvents {
  readonly onMessage: (channel: string, text: string) => void
  /** It was open, and is not any more. */
  readonly onEnd: () => void
}

type ClientClass = new (config: object) => Client

/** One connection that can listen. */
export class Listener {
  readonly #pool: Pool
  readonly #deadline: number
  readonly #events: ListenerEvents
  #client: Client | undefined
  #opening: Promise<Client> | undefined
  #queue: Promise<unknown> = Promise.resolve()
  #closed = false

  constructor(pool: Pool, deadline: number, events: ListenerEvents) {
    this.#pool = pool
    this.#deadline = deadline
    this.#events = events
  }

  /** Whether the connection is open, as far as is known. */
  get isOpen(): boolean {
    return this.#client !== undefined
  }

  /** Runs statements, each after the one before; a connection that does not answer in time is dropped. */
  async run(text: string): Promise<void> {
    const client = await this.#open()
    const turn = this.#queue.then(async () => {
      if (this.#client !== client) throw gone()
      try {
        await run(client, text, performance.now() + this.#deadline)
      } catch (error) {
        this.#drop(client)
        throw error
      }
    })
    this.#queue = turn.catch(() => {})
    await turn
  }

  /** Closes for good. */
  close(): void {
    this.#closed = true
    if (this.#client) this.#drop(this.#client)
  }

  #open(): Client | Promise<Client> {
    if (this.#client) return this.#client
    this.#opening ??= this.#connect().finally(() => {
      this.#opening = undefined
    })
    return this.#opening
  }

  async #connect(): Promise<Client> {
    if (this.#closed) throw new ClosedError('The adapter was disconnected')
    const Client = await clientClass(this.#pool)
    const client = new Client(ownConfig(this.#pool, this.#deadline))
    client.on('error', () => this.#drop(client))
    client.once('end', () => this.#ended(client))
    client.on('notification', ({ channel, payload }) => {
      this.#events.onMessage(channel, payload ?? '')
    })
    try {
      await within(performance.now() + this.#deadline, client.connect(), gone)
      // Idle, it must not keep the process alive; whoever waits for an answer does that by a timer.
      unref(client)
      if (this.#closed) throw gone()
      this.#client = client
      return client
    } catch (error) {
      destroy(client)
      throw new StoreUnavailableError('No connection to PostgreSQL for notifications', {
        outcome: 'none',
        cause: error,
      })
    }
  }

  #ended(client: Client): void {
    if (this.#client !== client) return
    this.#client = undefined
    this.#events.onEnd()
  }

  #drop(client: Client): void {
    destroy(client)
    this.#ended(client)
  }
}

function gone(): Error {
  return new StoreUnavailableError('The connection for notifications broke', { outcome: 'none' })
}

/** The class of the pool's clients: it need not be that of any pg that this file could import. */
async function clientClass(pool: Pool): Promise<ClientClass> {
  const { Client } = pool as Pool & { readonly Client?: ClientClass }
  if (Client) return Client
  const client = await pool.connect()
  client.release()
  return client.constructor as ClientClass
}

/** The pool's own options; the password in them cannot be enumerated, so that a spread would lose it. */
function ownConfig(pool: Pool, deadline: number): object {
  const config = Object.defineProperties({}, Object.getOwnPropertyDescriptors(pool.options))
  return Object.assign(config, {
    connectionTimeoutMillis: deadline,
    fallback_application_name: 'holdfast-signals',
    keepAlive: true,
  })
}

/** Not in the types of pg, and not in its native client. */
function unref(client: Client): void {
  const { unref } = client as Client & { readonly unref?: () => void }
  unref?.call(client)
}

/** Ends a connection without waiting for the other side, which may have gone silent. */
function destroy(client: Client): void {
  const { stream } = (client.connection ?? {}) as { stream?: { destroy?: () => void } }
  client.end().catch(() => {})
  stream?.destroy?.()
}
