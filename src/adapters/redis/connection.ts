// One connection of the adapter's own: opened on demand, never queueing, dropped when it falls silent.
import type { Socket } from 'node:net'
import { ClosedError, StoreUnavailableError } from '../../core/errors.ts'
import { type DuplicateOptions, duplicate, followEnd, type RedisClient } from './client.ts'

/** How many commands leave in one write: fewer cost a system call, with more the server would wait for this process. */
const MOST_AT_ONCE = 16

/** What a connection needs to know. */
export interface ConnectionOptions extends DuplicateOptions {
  /** Told when an open connection has ended. */
  readonly onEnd?: (() => void) | undefined
  /** What is duplicated, chosen anew each time; default: the user's client. */
  readonly from?: (() => Promise<RedisClient>) | undefined
}

/**
 * A duplicate of the user's client with a patience of its own.
 *
 * The user's client would queue commands while disconnected and send them again after a reconnect, long after their
 * callers have given up. This one rejects at once, reconnects only when it is used, and never keeps the process alive.
 */
export class Connection {
  readonly #user: RedisClient
  readonly #options: ConnectionOptions
  #client: RedisClient | undefined
  #opening: Promise<RedisClient> | undefined
  #closed = false
  #pending = 0
  #heardAt = 0
  #watch: NodeJS.Timeout | undefined
  #corked: Socket | undefined
  #written = 0

  constructor(user: RedisClient, options: ConnectionOptions) {
    this.#user = user
    this.#options = options
  }

  /** Whether the connection is open now. */
  get isOpen(): boolean {
    return this.#client?.status === 'ready'
  }

  /** The open client, opened first if need be. */
  open(): RedisClient | Promise<RedisClient> {
    const client = this.#client
    if (client?.status === 'ready') return client
    this.#opening ??= this.#connect().finally(() => {
      this.#opening = undefined
    })
    return this.#opening
  }

  /** Sends a command; a connection on which nothing was heard for the deadline is dropped, so that the next call opens another. */
  async send<T>(command: (client: RedisClient) => Promise<T>): Promise<T> {
    const opened = this.open()
    const client = opened instanceof Promise ? await opened : opened
    if (this.#pending++ === 0) {
      this.#heardAt = performance.now()
      // The connection keeps no process alive; an answer that somebody waits for does.
      this.#watch?.ref()
    }
    this.#watch ??= this.#watchFor(client, this.#options.deadline)
    this.#cork(client)
    try {
      return await command(client)
    } finally {
      this.#heardAt = performance.now()
      if (--this.#pending === 0) this.#watch?.unref()
    }
  }

  /** Drops a connection that does not work as it should: the next use opens another. */
  reset(): void {
    this.#drop(this.#client)
  }

  /** Closes for good. */
  close(): void {
    this.#closed = true
    this.#drop(this.#client)
  }

  async #connect(): Promise<RedisClient> {
    this.#drop(this.#client)
    this.#expectOpen()
    const from = await this.#options.from?.()
    this.#expectOpen()
    const client = duplicate(from ?? this.#user, this.#options)
    this.#client = client
    // Without a listener ioredis writes to the console; what failed is told to whoever called.
    let lastError: unknown
    client.on('error', (error) => {
      lastError = error
    })
    const unfollow = followEnd(this.#user, () => this.#drop(client))
    client.once('end', () => {
      unfollow()
      this.#ended(client)
    })
    try {
      await within(this.#options.deadline, client.connect())
      if (this.#client !== client) throw new Error('The connection was closed while it was opened')
      return client
    } catch (error) {
      this.#drop(client)
      throw new StoreUnavailableError('Redis cannot be reached', {
        outcome: 'none',
        cause: lastError ?? error,
      })
    }
  }

  #expectOpen(): void {
    if (this.#closed) throw new ClosedError('The adapter was disconnected')
    if (this.#user.status !== 'end') return
    const message = 'The Redis client that the adapter was given is closed'
    // The cause says that asking again is in vain.
    throw new StoreUnavailableError(message, { outcome: 'none', cause: new ClosedError(message) })
  }

  /** Lets the commands of one turn leave in few writes: the system call is most of what a command costs this process. */
  #cork(client: RedisClient): void {
    // A single node has a socket and does not say so.
    const { stream } = client as unknown as { readonly stream?: Socket }
    if (!stream) return
    if (this.#corked !== stream) {
      this.#corked = stream
      this.#written = 0
      stream.cork()
      process.nextTick(() => {
        this.#corked = undefined
        stream.uncork()
      })
    } else if (++this.#written % MOST_AT_ONCE === 0) {
      // The server works on these while the next are made.
      stream.uncork()
      stream.cork()
    }
  }

  #watchFor(client: RedisClient, wait: number): NodeJS.Timeout {
    return setTimeout(() => {
      this.#watch = undefined
      if (this.#pending === 0) return
      const silent = performance.now() - this.#heardAt
      if (silent >= this.#options.deadline) this.#drop(client)
      else this.#watch = this.#watchFor(this.#client ?? client, this.#options.deadline - silent)
    }, wait)
  }

  #ended(client: RedisClient): void {
    if (this.#client !== client) return
    this.#client = undefined
    this.#options.onEnd?.()
  }

  #drop(client: RedisClient | undefined): void {
    if (!client || client.status === 'end') return
    client.disconnect()
    this.#ended(client)
  }
}

function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    // In the foreground: somebody waits for the connection.
    const timer = setTimeout(() => reject(new Error(`No connection within ${ms} ms`)), ms)
    promise.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
