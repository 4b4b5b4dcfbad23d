// How the adapter calls PostgreSQL: keys, one function a call, and what is tried again.
import { createHash } from 'node:crypto'
import { ClosedError, type StoreOutcome } from '../../core/errors.ts'
import { escapeName, escapePrefix, escapeStart } from '../wire/keys.ts'
import type { Clients } from './clients.ts'
import {
  isBroken,
  isConflict,
  isNameless,
  isPassing,
  isTyped,
  isUnmigrated,
  typed,
} from './failure.ts'
import type { Schema } from './schema.ts'
import { type Argument, ask, type Row, type Statement } from './statement.ts'

const MOST_BROKEN = 3
const PAUSE_LEAST = 5
const PAUSE_MOST = 50
/** The part of the deadline in which nothing is begun: that it had no effect must be known before the caller gives up. */
const RESERVE = 0.1

/** An inbox whose name can be a part of its channel's as it is. */
const PLAIN = /^[\w-]{1,40}$/
/** How many characters tell the channels of a schema and prefix from those of another. */
const SPACE = 10

/** What a store needs to know. */
export interface StoreOptions {
  readonly clients: Clients
  readonly schema: Schema
  readonly keyPrefix: string
  /** The longest that one call may take, in milliseconds. */
  readonly deadline: number
  /** Whether statements may be prepared under a name, which saves a quarter of a short one's time. */
  readonly prepare: boolean
  /** Told after each call. */
  readonly onCall: () => void
}

/** The server behind a pool, and the names of things in it. */
export class Store {
  readonly #options: StoreOptions
  readonly #prefix: string
  readonly #channels: string
  #answers = false
  #closed = false
  #named: boolean

  constructor(options: StoreOptions) {
    this.#options = options
    this.#named = options.prepare
    this.#prefix = escapePrefix(options.keyPrefix)
    const space = hash(`${options.schema.name}:${this.#prefix}`).slice(0, SPACE)
    this.#channels = `holdfast_${space}_`
  }

  /** Whether the server answered when last asked. */
  get answers(): boolean {
    return this.#answers
  }

  /** The key of a named thing. */
  key(name: string): string {
    return `${this.#prefix}{${escapeName(name)}}`
  }

  /** Two keys between which are those of all names that start with a prefix. */
  range(prefix: string): readonly [string, string] {
    const start = `${this.#prefix}{${escapeStart(prefix)}`
    // Greater than all that can follow in a key.
    return [start, `${start}\x7f`]
  }

  /** The channel of an inbox, as PostgreSQL takes it for LISTEN and NOTIFY; distinct inboxes never share one. */
  channel(inbox: string): string {
    // Channels are cut off after 63 bytes, which a whole hash fits into. It is longer than the plain part may be.
    return this.#channels + (PLAIN.test(inbox) ? inbox : hash(inbox))
  }

  /** Refuses every call from now on. */
  close(): void {
    this.#closed = true
    this.#answers = false
  }

  /** Checks the server and its schema. */
  async connect(): Promise<void> {
    await this.ready()
    this.#answers = true
  }

  /** Resolves when the schema is known to be there. */
  async ready(): Promise<void> {
    if (this.#closed) throw closed()
    const { schema, deadline } = this.#options
    if (!schema.isReady) await schema.ready(performance.now() + deadline)
  }

  /**
   * Calls a function of the schema about `name`, in one statement.
   *
   * A connection that broke is tried again, because every function recognises its own attempt; a refusal that passes by
   * itself is tried again within the deadline. The urgent, which prolong or give back what is held, go first.
   */
  async call(
    statement: Statement,
    name: string,
    values: readonly Argument[],
    urgent = false,
  ): Promise<Row> {
    if (this.#closed) throw closed()
    const { clients, schema, deadline, onCall } = this.#options
    const until = performance.now() + deadline
    const latest = until - RESERVE * deadline
    let outcome: StoreOutcome = 'none'
    let broken = 0
    let unmigrated = 0
    for (let wait = PAUSE_LEAST; ; wait = Math.min(wait * 2, PAUSE_MOST)) {
      const named = this.#named
      try {
        if (!schema.isReady) await schema.ready(latest)
        const row = await clients.use(latest, urgent, (client) =>
          ask(client, named ? statement : { text: statement.text }, values, until),
        )
        this.#answers = true
        onCall()
        return row
      } catch (error) {
        if (isBroken(error)) {
          outcome = 'unknown'
          this.#answers = false
        } else if (isTyped(error)) this.#answers = false
        if (isUnmigrated(error)) schema.forget()
        // A pooler gives each statement another connection: those that were prepared are not there.
        const nameless = named && isNameless(error)
        if (nameless) this.#named = false
        const again =
          nameless ||
          isPassing(error) ||
          (isBroken(error) && ++broken < MOST_BROKEN) ||
          (isUnmigrated(error) && unmigrated++ === 0)
        // At random, so that those who were in each other's way are not so again.
        const pause = isConflict(error) ? Math.random() * wait : isPassing(error) ? PAUSE_MOST : 0
        const inTime = performance.now() + pause < latest
        if (!again || !inTime) throw typed(error, name, outcome)
        if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause))
      }
    }
  }
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}

function closed(): ClosedError {
  return new ClosedError('The adapter was disconnected')
}
