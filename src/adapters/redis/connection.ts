// One connection of the adapter's own: opened on demand, never queueing, dropped when it falls silent.
import type { Cluster, ClusterOptions, Redis } from 'ioredis'
import { ClosedError, StoreUnavailableError } from '../../core/errors.ts'

/** The user's client: a single node, Sentinel, or a Cluster. */
export type RedisClient = Redis | Cluster

/** What a connection needs to know. */
export interface ConnectionOptions {
  /** Shown by `CLIENT LIST`. */
  readonly name: string
  /** The longest that opening, or an answer, may take, in milliseconds. */
  readonly deadline: number
  /** Told when an open connection has ended. */
  readonly onEnd?: (() => void) | undefined
}

/** Whether a client is a Cluster. */
export function isCluster(client: RedisClient): client is Cluster {
  return client.isCluster === true
}

/** The nodes that hold all data between them. */
export function mastersOf(client: RedisClient): readonly Redis[] {
  return isCluster(client) ? client.nodes('master') : [client]
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
  readonly #userEnded = (): void => this.#drop(this.#client)

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
    if (this.#pending++ === 0) this.#heardAt = performance.now()
    this.#watch ??= this.#watchFor(client, this.#options.deadline)
    try {
      return await command(client)
    } finally {
      this.#pending--
      this.#heardAt = performance.now()
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
    if (this.#closed) throw new ClosedError('The adapter was disconnected')
    if (this.#user.status === 'end') {
      throw new StoreUnavailableError('The Redis client that the adapter was given is closed', {
        outcome: 'none',
      })
    }
    this.#drop(this.#client)
    const client = duplicate(this.#user, this.#options)
    this.#client = client
    // Without a listener ioredis writes to the console; what failed is told to whoever called.
    let lastError: unknown
    client.on('error', (error) => {
      lastError = error
    })
    client.on('connect', () => unref(client))
    client.once('end', () => this.#ended(client))
    this.#user.once('end', this.#userEnded)
    try {
      await within(this.#options.deadline, client.connect())
      if (this.#client !== client) throw new Error('The connection was closed while it was opened')
      unref(client)
      return client
    } catch (error) {
      this.#drop(client)
      throw new StoreUnavailableError('Redis cannot be reached', {
        outcome: 'none',
        cause: lastError ?? error,
      })
    }
  }

  #watchFor(client: RedisClient, wait: number): NodeJS.Timeout {
    return setTimeout(() => {
      this.#watch = undefined
      if (this.#pending === 0) return
      const silent = performance.now() - this.#heardAt
      if (silent >= this.#options.deadline) this.#drop(client)
      else this.#watch = this.#watchFor(this.#client ?? client, this.#options.deadline - silent)
    }, wait).unref()
  }

  #ended(client: RedisClient): void {
    this.#user.removeListener('end', this.#userEnded)
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

function duplicate(user: RedisClient, { name, deadline }: ConnectionOptions): RedisClient {
  const own = {
    lazyConnect: true,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResubscribe: false,
    autoResendUnfulfilledCommands: false,
    connectTimeout: deadline,
    // A connection that is dropped is silent: there is no good-bye to wait for.
    disconnectTimeout: 1,
    connectionName: name,
    // Prefixes are applied by the adapter, to keys and channels alike.
    keyPrefix: '',
    retryStrategy: () => null,
  }
  if (!isCluster(user)) return user.duplicate(own)
  const options: Partial<ClusterOptions> = {
    lazyConnect: true,
    enableOfflineQueue: false,
    keyPrefix: '',
    clusterRetryStrategy: () => null,
  }
  const redisOptions = {
    ...user.options.redisOptions,
    connectTimeout: deadline,
    connectionName: name,
  }
  return user.duplicate([], { ...options, redisOptions } as Parameters<Cluster['duplicate']>[1])
}

/** An idle connection must not keep the process alive; whoever waits for an answer does that by a timer. */
function unref(client: RedisClient): void {
  if (isCluster(client)) {
    for (const node of client.nodes()) unref(node)
    return
  }
  const { stream } = client as unknown as { stream?: { unref?: () => void } }
  stream?.unref?.()
}

function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    // In the foreground: somebody waits for the connection.
    const timer = setTimeout(() => reject(new Error(`No connection within ${ms} ms`)), ms)
    promise.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
