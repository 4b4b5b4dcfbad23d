// Leader elections: one of many processes leads at a time, and another takes over when it ends.
import { resourceOf } from './acquire.ts'
import { Candidacy, type CandidacyTerms, type LeaderFunction } from './candidacy.ts'
import { InvalidArgumentError } from './errors.ts'
import {
  expectDuration,
  expectFunction,
  expectName,
  expectOptions,
  expectSignal,
  refuse,
} from './expect.ts'
import { partOf } from './lifetime.ts'
import { type OwnershipProvider, ownershipProvider } from './ownership.ts'
import { callStore } from './store-call.ts'

/** Options of a {@link LeaderElection}. */
export interface LeaderElectionOptions {
  /** The store; default: the scope's, else the memory of this process. */
  readonly provider?: OwnershipProvider | undefined
  /** What is led. */
  readonly key: string
  /**
   * Milliseconds after which a leader that died is replaced.
   *
   * @defaultValue 15_000
   */
  readonly ttl?: number | undefined
  /**
   * Milliseconds without a renewal after which a leader stops leading by itself; less than `ttl`, so that it does
   * before anybody else can lead. Clocks may run at rates as different as the two.
   *
   * @defaultValue 10_000
   */
  readonly renewDeadline?: number | undefined
  /**
   * Milliseconds from one renewal to the next, and from one campaign to the next when the store does not answer; less
   * than `renewDeadline` by a fifth at least.
   *
   * @defaultValue 2_000
   */
  readonly retryInterval?: number | undefined
  /** A label for `leader()` and traces; never an identity. */
  readonly owner?: string | undefined
  /**
   * Milliseconds after which a function that does not settle when its term ends is left behind, so that this candidate
   * goes on without it; default: never, it is waited for.
   */
  readonly abandonAfter?: number | undefined
  /**
   * The low-cardinality name of the election in spans and metrics.
   *
   * @defaultValue `'leader_election'`
   */
  readonly name?: string | undefined
}

/** Who leads. */
export interface Leader {
  /** The label that the leader gave. */
  readonly owner: string | undefined
  /** The term: its fencing token. */
  readonly term: number
}

/**
 * An election among all processes that share the store: one leads, and the others wait in a fair queue.
 *
 * A leader that ends in order is followed at once; one that dies, after `ttl`. At most one believes that it leads, and
 * stops believing before another can begin; what one that was paused still writes can be refused by its fencing token.
 *
 * @example
 * ```ts
 * import { LeaderElection, MemoryAdapter, scope } from 'holdfast'
 *
 * const s = scope({ provider: new MemoryAdapter() })
 * const election = new LeaderElection(s.signal, { key: 'scheduler', owner: 'instance-1' })
 * const sent = await election.run(async (term) => {
 *   console.log(election.isLeader, await election.leader(), term.signal.aborted)
 *   term.assertHeld()
 *   return 3
 * })
 * console.log(sent)
 * await s[Symbol.asyncDispose]()
 * ```
 */
export class LeaderElection {
  readonly #signal: AbortSignal | undefined
  readonly #terms: CandidacyTerms
  #running: { readonly candidacy: Candidacy<unknown>; readonly ended: Promise<unknown> } | undefined

  /**
   * Makes an election that ends with `signal`.
   *
   * @throws InvalidArgumentError when an option is not of the documented form, or unless
   * `ttl > renewDeadline > 1.2 * retryInterval`
   */
  constructor(signal: AbortSignal | undefined, options: LeaderElectionOptions) {
    const given = expectOptions(options, 'such as `{ key }`')
    const { provider, key, owner, abandonAfter, name } = given
    const { ttl = 15_000, renewDeadline = 10_000, retryInterval = 2_000 } = given
    this.#signal = expectSignal('signal', signal)
    expectDuration('ttl', ttl)
    expectDuration('renewDeadline', renewDeadline)
    expectDuration('retryInterval', retryInterval)
    if (renewDeadline >= ttl) refuse('renewDeadline', `less than \`ttl\` (${ttl})`, renewDeadline)
    if (renewDeadline <= 1.2 * retryInterval) {
      refuse('renewDeadline', `more than 1.2 \`retryInterval\` (${retryInterval})`, renewDeadline)
    }
    this.#terms = {
      provider: ownershipProvider(provider, signal),
      key: expectName('key', key),
      name: name === undefined ? 'leader_election' : expectName('name', name),
      owner: owner === undefined ? undefined : expectName('owner', owner),
      ttl,
      renewDeadline,
      retryInterval,
      abandonAfter:
        abandonAfter === undefined ? undefined : expectDuration('abandonAfter', abandonAfter),
    }
  }

  /** What is led. */
  get key(): string {
    return this.#terms.key
  }

  /** Whether this election leads at this moment, by the monotonic clock: false at once after a stall of the event loop. */
  get isLeader(): boolean {
    return this.#running?.candidacy.leads ?? false
  }

  /**
   * Stands for election and runs `work` as the leader, as often as it is elected.
   *
   * - When `work` returns as the leader, the lead is given up and this resolves with its value.
   * - When it throws as the leader, the lead is given up and this rejects with its error.
   * - When the term is lost, `term.signal` aborts, and once `work` has settled, with whatever, this stands again.
   * - When the election's signal or `signal` aborts, or on {@link LeaderElection.resign}, `term.signal` aborts; once
   *   `work` has settled, the lead is given up, and this resolves with what `work` returned, undefined if nothing.
   *
   * Without the store it stands again every `retryInterval`. One run at a time.
   *
   * @throws ClosedError when the adapter has been disconnected
   * @throws StoreUnavailableError when the client that the adapter was given has been closed
   * @throws StoreCorruptError when something else is stored under the election's name
   */
  async run<T>(
    work: LeaderFunction<T>,
    options: { readonly signal?: AbortSignal | undefined } = {},
  ): Promise<T | undefined> {
    expectFunction('work', work)
    const signal = expectSignal('signal', expectOptions(options, 'such as `{ signal }`').signal)
    if (this.#running) {
      throw new InvalidArgumentError(`run() of the election for '${this.key}' is under way`, {
        key: this.key,
      })
    }
    const candidacy = new Candidacy<T>(this.#terms)
    const ended = candidacy.run(work, [signal, this.#signal])
    this.#running = { candidacy: candidacy as Candidacy<unknown>, ended }
    const name = `election for '${this.key}'`
    const forget = partOf(this.#signal, name, ended, () => candidacy.close(this.#signal?.reason))
    try {
      return await ended
    } finally {
      this.#running = undefined
      forget()
    }
  }

  /**
   * Ends the run: `term.signal` aborts, and once its function has settled the lead is given up to the next candidate.
   *
   * Resolves when that is done; does nothing when there is no run.
   */
  async resign(): Promise<void> {
    if (!this.#running) return
    const { candidacy, ended } = this.#running
    candidacy.resign()
    await ended.catch(() => {})
  }

  /**
   * Who leads; undefined when nobody does.
   *
   * @throws StoreUnavailableError when the store did not answer
   */
  async leader(): Promise<Leader | undefined> {
    const { provider, key } = this.#terms
    const resource = resourceOf({ kind: 'leader', key })
    const inspect = () => provider.grants.inspect(resource)
    const { holders } = await callStore(key, provider.deadline, inspect).answer
    const [holder] = holders
    return holder?.token === undefined
      ? undefined
      : { owner: holder.meta.owner, term: holder.token }
  }
}
