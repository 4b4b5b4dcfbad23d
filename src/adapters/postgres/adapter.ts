// The PostgreSQL adapter: every port over the user's pg pool.
import type { Pool } from 'pg'
import { CheckpointStore } from '../../core/checkpoint-store.ts'
import { InvalidArgumentError } from '../../core/errors.ts'
import { expectBoolean, expectDuration, expectOneOf, expectOptions } from '../../core/expect.ts'
import type {
  Adapter,
  Counts,
  EventListener,
  Grants,
  Histories,
  Rates,
  Records,
  Signals,
  Transactions,
} from '../../core/ports.ts'
import { Clients } from './clients.ts'
import { PostgresCounts } from './counts.ts'
import { type Durability, PostgresGrants } from './grants.ts'
import { PostgresHistories } from './histories.ts'
import { expectSchema, quoted } from './migrations.ts'
import { PostgresRates } from './rates.ts'
import { PostgresRecords } from './records.ts'
import { Schema } from './schema.ts'
import { PostgresSignals } from './signals.ts'
import { Store } from './store.ts'
import { Sweeper } from './sweeper.ts'
import { PostgresTransactions } from './transactions.ts'

/** Options of a {@link PostgresAdapter}. */
export interface PostgresAdapterOptions {
  /**
   * What every key starts with; 200 bytes at most.
   *
   * @defaultValue `'holdfast:'`
   */
  readonly keyPrefix?: string | undefined
  /**
   * The schema that holds the tables: lower-case letters, digits and `_`.
   *
   * @defaultValue `'holdfast'`
   */
  readonly schema?: string | undefined
  /**
   * Whether to open one connection of its own, beside the pool, on which waiters are called. Set it to false behind a
   * transaction pooler such as pgbouncer, which delivers no notifications: waiters then ask once a second.
   *
   * @defaultValue true
   */
  readonly listen?: boolean | undefined
  /**
   * Whether locks and permits are on disk before their caller gets them. With `'relaxed'` they are not, which saves the
   * wait for the disk: a crash of the server forgets what was granted in its last moments, so that another caller may be
   * granted beside a holder. Fencing tokens grow all the same. A release never waits for the disk: at worst a crash brings
   * back a grant until its ttl is over. What rate limits spend and breakers count never waits either: a crash may forget
   * the last moments of it. Idempotent calls, cached values, checkpoints and transitions of breakers are always durable.
   *
   * @defaultValue `'durable'`
   */
  readonly durability?: Durability | undefined
  /**
   * The longest that one call to PostgreSQL may take, in milliseconds, a free client of the pool included. A migration goes
   * on for 30 seconds at most; calls are refused meanwhile.
   *
   * @defaultValue 2_000
   */
  readonly deadline?: number | undefined
  /** Told of lost leases and other background faults. */
  readonly onEvent?: EventListener | undefined
}

const LONGEST_PREFIX = 200

/**
 * A store in PostgreSQL 13 and later, over pg 8: direct, or with `listen: false` behind a transaction pooler.
 *
 * Each call borrows a client of the pool for one statement; none is held while somebody waits. Once somebody does, it
 * opens one connection of its own for wake-ups, which closes with the pool and never keeps the process alive. A pool whose
 * clients are all held by the user cannot renew what is locked: leave it one more than they need. The schema is created
 * and migrated at the first use, or by hand with {@link migrations}.
 *
 * @example
 * ```ts
 * import { Lock } from 'holdfast'
 * import { PostgresAdapter } from 'holdfast/postgres'
 * import { Pool } from 'pg'
 *
 * const pool = new Pool({ connectionString: process.env.DATABASE_URL })
 * const provider = new PostgresAdapter(pool, { keyPrefix: 'shop:' })
 * const lock = new Lock(undefined, { provider, key: 'orders:42' })
 * await lock.run(async ({ fencingToken }) => console.log(fencingToken), { timeout: 2_000 })
 * await pool.end()
 * ```
 */
export class PostgresAdapter extends CheckpointStore implements Adapter {
  /** Locks and permits. */
  readonly grants: Grants
  /** Idempotent calls and cached values. */
  readonly records: Records
  /** Checkpoints and terms. */
  readonly histories: Histories
  /** Rate limits. */
  readonly rates: Rates
  /** Circuit breakers. */
  readonly counts: Counts
  /** What is done as part of a transaction of the user's. */
  readonly transactions: Transactions
  /** Messages between waiters. */
  readonly signals: Signals
  /** The longest that one call may take, in milliseconds. */
  readonly deadline: number
  /** Told of lost leases and other background faults. */
  readonly onEvent: EventListener | undefined
  readonly #store: Store
  readonly #messages: PostgresSignals

  /**
   * Makes the adapter without connecting.
   *
   * @throws InvalidArgumentError when `pool` is not a pg Pool or an option is not of the documented form
   */
  constructor(pool: Pool, options: PostgresAdapterOptions = {}) {
    super()
    if (
      typeof (pool as Partial<Pool> | undefined)?.connect !== 'function' ||
      typeof pool.options !== 'object'
    ) {
      throw new InvalidArgumentError('Expected `pool` to be a pg Pool: new Pool({ … })')
    }
    const given = expectOptions(options, '{}')
    const { keyPrefix = 'holdfast:', deadline = 2_000, durability = 'durable', onEvent } = given
    const { schema: name = 'holdfast' } = given
    if (typeof keyPrefix !== 'string' || Buffer.byteLength(keyPrefix) > LONGEST_PREFIX) {
      throw new InvalidArgumentError('Expected `keyPrefix` to be a string of 200 bytes at most')
    }
    const schema = expectSchema(name)
    const listen = expectBoolean('listen', given.listen, true)
    expectOneOf('durability', durability, ['durable', 'relaxed'])
    this.deadline = expectDuration('deadline', deadline)
    this.onEvent = onEvent
    const clients = Clients.of(pool)
    const sweeper = new Sweeper(clients, quoted(schema), deadline)
    this.#store = new Store({
      clients,
      schema: new Schema(clients, schema, deadline),
      keyPrefix,
      deadline,
      prepare: listen,
      onCall: () => sweeper.count(),
    })
    const store = this.#store
    this.#messages = new PostgresSignals({ pool, clients, store, listen, deadline, onEvent })
    this.grants = new PostgresGrants(this.#store, quoted(schema), durability)
    const records = new PostgresRecords(this.#store, quoted(schema))
    this.records = records
    this.histories = new PostgresHistories(this.#store, quoted(schema))
    this.rates = new PostgresRates(this.#store, quoted(schema))
    this.counts = new PostgresCounts(this.#store, quoted(schema))
    this.transactions = new PostgresTransactions(this.#store, records, quoted(schema), deadline)
    this.signals = this.#messages
  }

  /**
   * Connects, checks the server's version and migrates the schema; optional, the first use does.
   *
   * @throws StoreUnavailableError when the server cannot be reached, is older than 13, refuses to migrate, or holds a
   * schema that a newer release has migrated
   */
  connect(): Promise<void> {
    return this.#store.connect()
  }

  /** Whether PostgreSQL answered when last asked. */
  isConnected(): boolean {
    return this.#store.answers
  }

  /** Closes the adapter's own connection; the user's pool stays as it is. */
  async disconnect(): Promise<void> {
    this.#messages.close()
    this.#store.close()
  }
}
