// Messages between processes by pub/sub, on one connection that comes back by itself.
import type { Listening, SignalListener, Signals } from '../../core/ports.ts'
import { Listeners } from '../wire/listeners.ts'
import { isCluster, nodesOf, type RedisClient } from './client.ts'
import { Connection } from './connection.ts'
import { typed } from './failure.ts'
import type { Store } from './store.ts'

const RESTORE_LEAST = 100
const RESTORE_MOST = 1_000

/** Channels of one adapter. */
export class RedisSignals implements Signals {
  readonly #store: Store
  readonly #connection: Connection
  readonly #listeners = new Listeners()
  // Many processes do not all begin with the same node.
  #turn = Math.floor(Math.random() * 1_000)
  #hearing: RedisClient | undefined
  #restoring: NodeJS.Timeout | undefined

  constructor(user: RedisClient, commands: Connection, store: Store, deadline: number) {
    this.#store = store
    this.#connection = new Connection(user, {
      name: 'holdfast-signals',
      deadline,
      onEnd: () => this.#lost(),
      from: isCluster(user) ? () => this.#node(commands) : undefined,
    })
  }

  async listen(inbox: string, listener: SignalListener): Promise<Listening> {
    const channel = this.#store.channel(inbox)
    // Before it is subscribed to, so that nobody who stops meanwhile takes the channel away.
    const remove = this.#listeners.add(channel, listener)
    try {
      await this.#subscribe(channel)
    } catch (error) {
      remove()
      throw error
    }
    const isLive = (): boolean => this.#hearing !== undefined
    return {
      get live() {
        return isLive()
      },
      suspect: () => void this.#probe(),
      close: () => {
        if (remove()) this.#hearing?.unsubscribe(channel).catch(() => {})
      },
    }
  }

  /** Closes the connection for good. */
  close(): void {
    clearTimeout(this.#restoring)
    this.#listeners.clear()
    this.#connection.close()
  }

  /** Subscribes to a channel, and on a new connection to all, whoever has opened it: it counts as live for all of them. */
  async #subscribe(channel: string): Promise<void> {
    try {
      await this.#connection.send(async (client) => {
        if (this.#hearing === client) return void (await client.subscribe(channel))
        await client.subscribe(...this.#listeners.channels)
        if (this.#hearing === client) return
        this.#hearing = client
        client.on('message', (from: string, text: string) => this.#listeners.message(from, text))
        this.#listeners.restored()
      })
    } catch (error) {
      throw typed(error, channel)
    }
  }

  /**
   * A node of a cluster, of which each passes every message on: one that is known to work, and another each time.
   *
   * One connection that ends says so; a Cluster client would move to another node by itself, and lose messages unheard.
   */
  async #node(commands: Connection): Promise<RedisClient> {
    const cluster = await commands.open()
    const all = nodesOf(cluster, 'all')
    const ready = all.filter(({ status }) => status === 'ready')
    const nodes = ready.length > 0 ? ready : all
    return nodes[this.#turn++ % nodes.length] ?? cluster
  }

  /** Asks for a sign of life; silence drops the connection, which then comes back. */
  async #probe(): Promise<void> {
    await this.#connection.send((client) => client.ping()).catch(() => {})
  }

  #lost(): void {
    this.#hearing = undefined
    this.#listeners.lost()
    if (this.#listeners.channels.length > 0) this.#restoreIn(0)
  }

  #restoreIn(wait: number): void {
    clearTimeout(this.#restoring)
    this.#restoring = setTimeout(() => void this.#restore(wait), wait).unref()
  }

  async #restore(waited: number): Promise<void> {
    const [channel] = this.#listeners.channels
    if (channel === undefined || this.#hearing) return
    try {
      await this.#subscribe(channel)
    } catch {
      this.#restoreIn(Math.min(Math.max(waited * 2, RESTORE_LEAST), RESTORE_MOST))
    }
  }
}
