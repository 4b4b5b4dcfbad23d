// How the adapter calls Redis: keys, one script a call, and what is tried again.

import { escapeName, escapePrefix, escapeStart } from '../wire/keys.ts'
import { isCluster, nodesOf, type RedisClient } from './client.ts'
import type { Connection } from './connection.ts'
import { isBroken, isDemoted, isPassing, typed, withUnknownOutcome } from './failure.ts'
import type { Argument, Script } from './script.ts'

const RETRY_PAUSE = 50
/** How many keys one step of a scan looks at. */
const SCANNED_AT_ONCE = 500

/** How long to wait for how many replicas. */
export interface ReplicaWait {
  readonly replicas: number
  /** In milliseconds. */
  readonly patience: number
}

/** What a script is told of one thing. */
export interface ScriptCall {
  readonly name: string
  readonly parts: readonly string[]
  readonly args: readonly Argument[]
}

/** The server behind a connection, and the names of things in it. */
export class Store {
  readonly #user: RedisClient
  readonly #connection: Connection
  readonly #keyPrefix: string
  readonly #prefix: string
  readonly #deadline: number
  /** What every script on a resource is told first: the channels' prefix, and whether a cluster answers. */
  readonly surroundings: readonly Argument[]

  constructor(user: RedisClient, connection: Connection, keyPrefix: string, deadline: number) {
    this.#user = user
    this.#connection = connection
    this.#keyPrefix = keyPrefix
    const { keyPrefix: usersPrefix = '' } = user.options as { keyPrefix?: string }
    this.#prefix = escapePrefix(usersPrefix + keyPrefix)
    this.#deadline = deadline
    this.surroundings = [this.channel(''), isCluster(user) ? 1 : 0]
  }

  /** The same things over another connection. */
  over(connection: Connection): Store {
    return new Store(this.#user, connection, this.#keyPrefix, this.#deadline)
  }

  /** The keys of the parts of a named thing. */
  #keys(name: string, parts: readonly string[]): string[] {
    const start = `${this.#prefix}{${escapeName(name)}}:`
    return parts.map((part) => start + part)
  }

  /** The channel of an inbox. */
  channel(inbox: string): string {
    return `${this.#prefix}inbox:${inbox}`
  }

  /** Runs a script about `name`. */
  run(
    script: Script,
    name: string,
    parts: readonly string[],
    args: readonly Argument[],
  ): Promise<unknown> {
    const keys = this.#keys(name, parts)
    return this.#send(name, (client) => script.run(client, keys, args))
  }

  /** Runs a script that writes about several names, and waits for replicas; answers its replies and how many have all that it wrote. */
  replicate(
    script: Script,
    calls: readonly ScriptCall[],
    { replicas, patience }: ReplicaWait,
  ): Promise<readonly [replies: readonly unknown[], replicas: number]> {
    const names = calls.map(({ name }) => name).join()
    return this.#send(names, async (client) => {
      const replies = await Promise.all(
        calls.map(({ name, parts, args }) => script.run(client, this.#keys(name, parts), args)),
      )
      // On the same connection: it asks for what this one has written. 0 would wait for ever.
      return [replies, await client.wait(replicas, Math.max(1, Math.floor(patience)))]
    })
  }

  /** Removes one part of all things whose names start with `prefix`, a few at a time; never blocks the server. */
  async removeAll(prefix: string, part: string): Promise<void> {
    const pattern = `${escapeGlob(`${this.#prefix}{${escapeStart(prefix)}`)}*}:${part}`
    const masters = await this.#send(prefix, async (client) => nodesOf(client, 'master'))
    for (const master of masters) {
      let cursor = '0'
      do {
        const [next, keys] = await this.#send(prefix, (client) =>
          (isCluster(client) ? master : client).scan(
            cursor,
            ...(['MATCH', pattern, 'COUNT', SCANNED_AT_ONCE] as const),
          ),
        )
        // Each by itself: in a cluster few are in one slot, and some may be moving to another node.
        await this.#send(prefix, (client) => Promise.all(keys.map((key) => client.unlink(key))))
        cursor = next
      } while (cursor !== '0')
    }
  }

  /** Sends a message, if the user may. */
  async publish(channel: string, text: string): Promise<void> {
    await this.#connection
      .send((client) => client.publish(this.channel(channel), text))
      .catch(() => {})
  }

  /**
   * Sends a command about `name`.
   *
   * A connection that broke is tried once more, because every script recognises its own attempt; a refusal that passes
   * by itself is tried again within the deadline.
   */
  async #send<T>(name: string, command: (client: RedisClient) => Promise<T>): Promise<T> {
    const until = performance.now() + this.#deadline
    for (let broken = 0; ; ) {
      try {
        return await this.#connection.send(command)
      } catch (error) {
        if (isDemoted(error)) this.#connection.reset()
        const again = isPassing(error) || (isBroken(error) && broken++ === 0)
        if (!again || performance.now() + RETRY_PAUSE >= until) {
          const failure = typed(error, name)
          // An earlier attempt was sent and never answered: whatever became of this one, that one may take effect.
          throw broken > 0 ? withUnknownOutcome(failure) : failure
        }
        if (!isBroken(error)) await pause()
      }
    }
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, RETRY_PAUSE)
  })
}

/** Text as a pattern that matches it and nothing else. */
function escapeGlob(text: string): string {
  return text.replace(/[*?[\]\\]/g, '\\$&')
}
