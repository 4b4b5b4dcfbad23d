// How the adapter calls Redis: keys, one script a call, and what is tried again.

import { escapeName, escapePrefix } from '../wire/keys.ts'
import { type Connection, isCluster, type RedisClient } from './connection.ts'
import { isBroken, isDemoted, isPassing, typed, withUnknownOutcome } from './failure.ts'
import type { Argument, Script } from './script.ts'

const RETRY_PAUSE = 50

/** The server behind a connection, and the names of things in it. */
export class Store {
  readonly #connection: Connection
  readonly #prefix: string
  readonly #deadline: number
  /** What every script on a resource is told first: the channels' prefix, and whether a cluster answers. */
  readonly surroundings: readonly Argument[]

  constructor(user: RedisClient, connection: Connection, keyPrefix: string, deadline: number) {
    this.#connection = connection
    const { keyPrefix: usersPrefix = '' } = user.options as { keyPrefix?: string }
    this.#prefix = escapePrefix(usersPrefix + keyPrefix)
    this.#deadline = deadline
    this.surroundings = [this.channel(''), isCluster(user) ? 1 : 0]
  }

  /** The key of one part of a named thing. */
  key(name: string, part: string): string {
    return `${this.#prefix}{${escapeName(name)}}:${part}`
  }

  /** The channel of an inbox. */
  channel(inbox: string): string {
    return `${this.#prefix}inbox:${inbox}`
  }

  /**
   * Runs a script about `name`.
   *
   * A connection that broke is tried once more, because every script recognises its own attempt; a refusal that passes
   * by itself is tried again within the deadline.
   */
  async run(
    script: Script,
    name: string,
    parts: readonly string[],
    args: readonly Argument[],
  ): Promise<unknown> {
    const keys = parts.map((part) => this.key(name, part))
    const until = performance.now() + this.#deadline
    for (let broken = 0; ; ) {
      try {
        return await this.#connection.send((client) => script.run(client, keys, args))
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
    setTimeout(resolve, RETRY_PAUSE).unref()
  })
}
