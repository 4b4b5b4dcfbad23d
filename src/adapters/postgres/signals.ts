// Messages between processes by NOTIFY, heard on one connection that comes back by itself.
import type { Pool } from 'pg'
import { StoreUnavailableError } from '../../core/errors.ts'
import { type EventListener, emit } from '../../core/events.ts'
import type { Listening, SignalListener, Signals } from '../../core/ports.ts'
import { quietly } from '../../telemetry/index.ts'
import { Listeners } from '../wire/listeners.ts'
import type { Clients } from './clients.ts'
import { typed } from './failure.ts'
import { Listener } from './listener.ts'
import { ask } from './statement.ts'
import type { Store } from './store.ts'
import { within } from './within.ts'

const RESTORE_LEAST = 100
const RESTORE_MOST = 1_000
const HEARTBEAT = 10_000
/** How long a message may take that the adapter has sent itself, and how long it is deaf after one was lost. */
const ECHO = 1_000
const DEAF = 60_000

/** What the signals of an adapter need. */
export interface SignalOptions {
  readonly pool: Pool
  readonly clients: Clients
  readonly store: Store
  /** False behind a transaction pooler, which loses every notification. */
  readonly listen: boolean
  readonly deadline: number
  readonly onEvent: EventListener | undefined
}

/** Channels of one adapter. */
export class PostgresSignals implements Signals {
  readonly #options: SignalOptions
  readonly #listener: Listener
  readonly #listeners = new Listeners()
  #forgetPool: (() => void) | undefined
  #live = false
  #heard = false
  #proving: Promise<void> | undefined
  #echo: (() => void) | undefined
  #deafUntil = 0
  #restoring: NodeJS.Timeout | undefined
  #heart: NodeJS.Timeout | undefined

  constructor(options: SignalOptions) {
    this.#options = options
    this.#listener = new Listener(options.pool, options.deadline, {
      onMessage: (channel, text) => this.#message(channel, text),
      onEnd: () => this.#lost(),
    })
  }

  async listen(inbox: string, listener: SignalListener): Promise<Listening> {
    const { store, listen, deadline } = this.#options
    const channel = store.channel(inbox)
    if (!listen || performance.now() < this.#deafUntil) {
      throw new StoreUnavailableError(
        listen
          ? 'No notification arrives: behind a transaction pooler, set `listen: false`'
          : 'This adapter does not listen: waiters are found by their beat',
        { outcome: 'none' },
      )
    }
    // Before it is subscribed to, so that nobody who stops meanwhile takes the channel away.
    const remove = this.#listeners.add(channel, listener)
    try {
      await this.#subscribe(channel)
      if (!this.#heard) await this.#proveOnce(channel, performance.now() + deadline)
    } catch (error) {
      remove()
      throw typed(error, inbox, 'none')
    }
    const isLive = (): boolean => this.#live
    return {
      get live() {
        return isLive()
      },
      suspect: () => void this.#beat(),
      close: () => {
        if (!remove() || !this.#listener.isOpen) return
        quietly(() => this.#listener.run(`unlisten "${channel}"`)).catch(() => {})
      },
    }
  }

  /** Closes the connection for good. */
  close(): void {
    clearTimeout(this.#restoring)
    clearInterval(this.#heart)
    this.#live = false
    this.#listeners.clear()
    this.#forgetPool?.()
    this.#listener.close()
  }

  /** Subscribes to a channel, and on a new connection to all, whoever has opened it: it counts as live for all of them. */
  async #subscribe(channel: string): Promise<void> {
    const channels = this.#live ? [channel] : this.#listeners.channels
    await quietly(() => this.#listener.run(channels.map((each) => `listen "${each}"`).join('; ')))
    // Not before: a pool outlives adapters that were only dropped.
    this.#forgetPool ??= this.#options.clients.onEnd(() => this.close())
    this.#heart ??= setInterval(() => void this.#beat(), HEARTBEAT).unref()
    this.#live = true
    this.#listeners.restored()
  }

  /** Whoever comes while it is proved waits for that: one channel speaks for all. */
  #proveOnce(channel: string, until: number): Promise<void> {
    this.#proving ??= this.#prove(channel, until).finally(() => {
      this.#proving = undefined
    })
    return this.#proving
  }

  /** Sends itself a message by the pool, as others would: a transaction pooler takes LISTEN and then delivers nothing. */
  async #prove(channel: string, until: number): Promise<void> {
    const heard = new Promise<void>((resolve) => {
      this.#echo = resolve
    })
    try {
      await quietly(() =>
        this.#options.clients.use(until, false, (client) =>
          ask(client, { text: `select pg_notify($1, '')::text` }, [channel], until),
        ),
      )
    } catch {
      // Not even sent: that says nothing about what arrives.
      return
    }
    // Counted from here: what it waited for before was the pool.
    await within(performance.now() + ECHO, heard, () => this.#deaf())
  }

  #deaf(): Error {
    this.#deafUntil = performance.now() + DEAF
    emit(this.#options.onEvent, {
      name: 'holdfast.store.warning',
      message:
        'PostgreSQL takes LISTEN, but no notification arrives, so waiters are found by their beat only: behind a transaction pooler, set `listen: false`',
    })
    return new StoreUnavailableError('No notification arrives', { outcome: 'none' })
  }

  #message(channel: string, text: string): void {
    // Only the adapter itself sends nothing.
    if (text === '') this.#proven()
    else this.#listeners.message(channel, text)
  }

  /** However late the echo comes, it shows that messages arrive. */
  #proven(): void {
    this.#heard = true
    this.#deafUntil = 0
    this.#echo?.()
  }

  /** Asks for a sign of life; silence drops the connection, which then comes back. */
  async #beat(): Promise<void> {
    if (this.#options.clients.ended) this.close()
    else if (this.#listener.isOpen) {
      await quietly(() => this.#listener.run('select 1')).catch(() => {})
    }
  }

  #lost(): void {
    this.#live = false
    this.#listeners.lost()
    if (this.#listeners.channels.length > 0) this.#restoreIn(0)
  }

  #restoreIn(wait: number): void {
    clearTimeout(this.#restoring)
    this.#restoring = setTimeout(() => void this.#restore(wait), wait).unref()
  }

  async #restore(waited: number): Promise<void> {
    if (this.#options.clients.ended) this.close()
    const [channel] = this.#listeners.channels
    if (channel === undefined || this.#live) return
    try {
      await this.#subscribe(channel)
    } catch {
      this.#restoreIn(Math.min(Math.max(waited * 2, RESTORE_LEAST), RESTORE_MOST))
    }
  }
}
