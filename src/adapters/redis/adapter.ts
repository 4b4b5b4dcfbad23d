// The Redis store: its ports over connections of its own.
import { CheckpointStore } from '../../core/checkpoint-store.ts'
import { InvalidArgumentError, StoreUnavailableError } from '../../core/errors.ts'
import { emit } from '../../core/events.ts'
import { expectDuration, expectInteger, expectOptions } from '../../core/expect.ts'
import type {
  Adapter,
  Counts,
  EventListener,
  Grants,
  Histories,
  Rates,
  Records,
  Signals,
} from '../../core/ports.ts'
import { isCluster, nodesOf, type RedisClient } from './client.ts'
import { Connection } from './connection.ts'
import { RedisCounts } from './counts.ts'
import { typed } from './failure.ts'
import { RedisGrants } from './grants.ts'
import { RedisHistories } from './histories.ts'
import { RedisRates } from './rates.ts'
import { RedisRecords } from './records.ts'
import { ReplicatedGrants } from './replicated-grants.ts'
import { RedisSignals } from './signals.ts'
import { Store } from './store.ts'

/** Options of a {@link RedisAdapter}. */
export interface RedisAdapterOptions {
  /**
   * What every key and channel starts with; the client's own `keyPrefix` comes before it.
   *
   * @defaultValue `'holdfast:'`
   */
  readonly keyPrefix?: string | undefined
  /**
   * The longest that one call to Redis may take, in milliseconds.
   *
   * @defaultValue 2_000
   */
  readonly deadline?: number | undefined
  /**
   * How many replicas must have a grant before it is given out; with fewer, it is taken back and refused.
   *
   * It makes it rarer that a failover forgets a grant, and is no guarantee: a replica that lacks the grant may still be
   * the one that is promoted, and a grant that is renewed later is not asked for again. Each acquisition takes two round
   * trips more; while a replica is away it takes up to two thirds of its deadline, however many ask at once. Not for a
   * Cluster.
   *
   * @defaultValue 0
   */
  readonly minReplicas?: number | undefined
  /** Told of lost leases and other background faults. */
  readonly onEvent?: EventListener | undefined
}

const OLDEST = [6, 2] as const

/**
 * A store in Redis 6.2 and later or Valkey, over ioredis 5 or 6: single node, Sentinel or Cluster.
 *
 * It opens up to two connections of its own, as duplicates of the user's client: one for commands (in a Cluster one for
 * each node), one for wake-ups once somebody waits; `minReplicas` takes one more. They reach and log in to the servers as
 * that client does, and inherit nothing of its timeouts, retries, scripts or forms of reply. They close with it and
 * never keep the process alive. Redis forgets leases when it loses data (a failover to a lagging replica, eviction):
 * fencing tokens keep growing then, and the docs of `LockGuard.fencingToken` say how to use them.
 *
 * @example
 * ```ts
 * import { Lock } from 'holdfast'
 * import { RedisAdapter } from 'holdfast/redis'
 * import { Redis } from 'ioredis'
 *
 * const redis = new Redis(process.env.REDIS_URL ?? 'redis://127.0.0.1:6379')
 * const provider = new RedisAdapter(redis, { keyPrefix: 'shop:' })
 * const lock = new Lock(undefined, { provider, key: 'orders:42' })
 * await lock.run(async ({ fencingToken }) => console.log(fencingToken), { timeout: 2_000 })
 * await redis.quit()
 * ```
 */
export class RedisAdapter extends CheckpointStore implements Adapter {
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
  /** Messages between waiters. */
  readonly signals: Signals
  /** The longest that one call may take, in milliseconds. */
  readonly deadline: number
  /** Told of lost leases and other background faults. */
  readonly onEvent: EventListener | undefined
  readonly #commands: Connection
  readonly #confirmations: Connection
  readonly #messages: RedisSignals

  /**
   * Makes the adapter without connecting.
   *
   * @throws InvalidArgumentError when `redis` is not an ioredis client or an option is not of the documented form
   */
  constructor(redis: RedisClient, options: RedisAdapterOptions = {}) {
    super()
    if (typeof (redis as Partial<RedisClient> | undefined)?.duplicate !== 'function') {
      throw new InvalidArgumentError('Expected `redis` to be an ioredis client: new Redis(url)')
    }
    const given = expectOptions(options, '{}')
    const { keyPrefix = 'holdfast:', deadline = 2_000, minReplicas = 0, onEvent } = given
    if (typeof keyPrefix !== 'string') {
      throw new InvalidArgumentError('Expected `keyPrefix` to be a string')
    }
    expectInteger('minReplicas', minReplicas, 0)
    if (minReplicas > 0 && isCluster(redis)) {
      throw new InvalidArgumentError('Expected no `minReplicas` with a Cluster, which cannot wait')
    }
    this.deadline = expectDuration('deadline', deadline)
    this.onEvent = onEvent
    this.#commands = new Connection(redis, { name: 'holdfast', deadline })
    const store = new Store(redis, this.#commands, keyPrefix, deadline)
    this.#messages = new RedisSignals(redis, this.#commands, store, deadline)
    this.#confirmations = new Connection(redis, { name: 'holdfast-replicas', deadline })
    const grants = new RedisGrants(store)
    const over = new RedisGrants(store.over(this.#confirmations))
    this.grants =
      minReplicas === 0
        ? grants
        : new ReplicatedGrants(grants, { over, replicas: minReplicas, deadline })
    this.records = new RedisRecords(store)
    this.histories = new RedisHistories(store)
    this.rates = new RedisRates(store)
    this.counts = new RedisCounts(store)
    this.signals = this.#messages
  }

  /**
   * Connects and checks the server's version and eviction policy; optional, the first use connects.
   *
   * @throws StoreUnavailableError when the server cannot be reached or is older than 6.2
   */
  async connect(): Promise<void> {
    const nodes = nodesOf(await this.#commands.open(), 'master')
    const asked = await Promise.allSettled(
      nodes.map((node) => this.#commands.send(() => node.info())),
    )
    const answers = asked.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []))
    // Of a cluster some nodes may be away, whose time will come.
    const [failure] = asked
    if (answers.length === 0 && failure?.status === 'rejected') throw typed(failure.reason, 'info')
    for (const info of answers) this.#check(info)
  }

  /** Whether the connection for commands is open. */
  isConnected(): boolean {
    return this.#commands.isOpen
  }

  /** Closes the adapter's own connections; the user's client stays as it is. */
  async disconnect(): Promise<void> {
    this.#messages.close()
    this.#confirmations.close()
    this.#commands.close()
  }

  #check(info: string): void {
    const version = field(info, 'redis_version') ?? ''
    const [major = 0, minor = 0] = version.split('.').map(Number)
    if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])) {
      throw new StoreUnavailableError(
        `Expected Redis ${OLDEST.join('.')} or later, got ${version}`,
        { outcome: 'none' },
      )
    }
    const policy = field(info, 'maxmemory_policy')
    if (policy !== undefined && policy !== 'noeviction') {
      emit(this.onEvent, {
        name: 'holdfast.store.warning',
        message: `Redis may evict held locks: its maxmemory-policy is ${policy}, and should be noeviction`,
      })
    }
  }
}

function field(info: string, name: string): string | undefined {
  return info.match(new RegExp(`^${name}:(.*?)\\r?$`, 'm'))?.[1]
}
