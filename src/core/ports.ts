// What a store must be able to do: a few atomic operations, never get and set.
import type { EventListener } from './events.ts'

export type { EventListener, HoldfastEvent } from './events.ts'

/** What travels with a grant or record through the store, for other processes to show. */
export interface Meta {
  /** The W3C traceparent of the span that the holder acquired in. */
  readonly traceparent?: string | undefined
  /** A label that the user gave; never an identity. */
  readonly owner?: string | undefined
}

/** A request for a share of a resource. */
export interface GrantRequest {
  /** The resource: `lock:` or `semaphore:` and the user's key. */
  readonly resource: string
  /** The attempt: 96 random bits or more, new for each acquisition. Asking twice answers the same grant. */
  readonly id: string
  /** How much of the capacity is taken. */
  readonly weight: number
  /** The capacity that this request believes the resource to have. */
  readonly capacity: number
  /** Whether the grant gets a new, greater fencing token; its weight, all of the capacity, is what keeps others out. */
  readonly exclusive: boolean
  /** How long the grant lasts, in milliseconds, by the store's clock. */
  readonly ttl: number
  /** Whether to join the queue when it does not fit now. */
  readonly wait: boolean
  /** The channel to call the waiter on. */
  readonly inbox: Inbox
  /** The place in the queue that this attempt had before the store forgot it. */
  readonly arrival?: number | undefined
  readonly meta: Meta
}

/** Where the waiters of one process are called. */
export interface Inbox {
  readonly id: string
  /** False while nobody listens on the channel: the store then waits for the beat instead of judging the process dead. */
  readonly listening: boolean
}

/** The answer to a {@link GrantRequest}. */
export type GrantReply =
  | { readonly state: 'granted'; readonly token: number }
  | {
      readonly state: 'queued' | 'busy'
      /** Milliseconds until the earliest holder lapses unless it renews. */
      readonly hint: number
      /** How many wait, this one included when it is queued. */
      readonly waiters: number
      /** The number that this attempt drew when it joined the queue; absent when busy. */
      readonly arrival?: number | undefined
      /** One of the holders. */
      readonly holder?: Meta | undefined
    }

/** The answer to a beat. */
export interface BeatReply {
  /** The attempts that were granted and not yet claimed. */
  readonly granted: readonly string[]
  /** The attempts that the store does not know: they must ask again. */
  readonly unknown: readonly string[]
  /** Milliseconds until the earliest holder lapses unless it renews. */
  readonly hint: number
}

/** One holder or waiter, as {@link Grants.inspect} shows it. */
export interface GrantView {
  readonly id: string
  readonly weight: number
  readonly exclusive: boolean
  /** Milliseconds left; absent for a waiter. */
  readonly remaining?: number | undefined
  readonly token?: number | undefined
  readonly meta: Meta
}

/** Who holds a resource and who waits for it, in order. */
export interface ResourceView {
  readonly holders: readonly GrantView[]
  readonly waiters: readonly GrantView[]
}

/** Shares of resources with a capacity: locks, readers and writers, permits. */
export interface Grants {
  /**
   * Grants a share, queues the request or answers busy, in one atomic step, first come, first served.
   *
   * Asked again, an attempt that holds gets its token again, and its ttl anew; one that waits keeps its place.
   */
  acquire(request: GrantRequest): Promise<GrantReply>
  /** Gives a grant `ttl` milliseconds from now and answers its token; undefined when it is not held. Never creates. */
  renew(resource: string, id: string, ttl: number): Promise<number | undefined>
  /** Ends a grant or takes a waiter out of the queue, and calls whoever is next; answers whether it was held. */
  release(resource: string, id: string): Promise<boolean>
  /**
   * Keeps the waiters of one process alive and answers what became of them.
   *
   * Processes beat once a second; one that was not heard of for some seconds is forgotten, and its waiters with it.
   */
  beat(resource: string, inbox: Inbox, ids: readonly string[]): Promise<BeatReply>
  /** Who holds and who waits. */
  inspect(resource: string): Promise<ResourceView>
}

/** How {@link Records.begin} treats a claim whose lease is over. */
export type Takeover =
  /** Answer `lapsed`. */
  | 'never'
  /** Claim it as a new execution. */
  | 'rerun'
  /** Claim it and keep what is known of the lost execution. */
  | 'recover'

/** A request to run something once. */
export interface BeginRequest {
  readonly record: string
  /** The attempt: 96 random bits or more. Asking twice answers the same claim. */
  readonly id: string
  /** How long the claim lasts unless renewed, in milliseconds, by the store's clock. */
  readonly lease: number
  /** How long the record is kept, in milliseconds. */
  readonly ttl: number
  /** What the call was asked to do; undefined fits every record. */
  readonly fingerprint?: string | undefined
  readonly takeover: Takeover
  /** Whether the caller will wait while somebody else executes: whoever ends that execution then tells of it. */
  readonly waits?: boolean | undefined
  readonly meta: Meta
}

/** What is known of an execution that did not record its outcome. */
export interface LostExecution {
  /** When it began, in milliseconds since the epoch, by the store's clock. */
  readonly startedAt: number
  readonly fingerprint?: string | undefined
  readonly meta: Meta
}

/** An outcome that was recorded. */
export interface Outcome {
  readonly value: string
  /** Milliseconds since it was recorded. */
  readonly age: number
  readonly meta: Meta
}

/** The answer to a {@link BeginRequest}. */
export type BeginReply =
  | {
      readonly state: 'claimed'
      readonly token: number
      /** The execution that was taken over; absent for a first one. */
      readonly lost?: LostExecution | undefined
      /** The outcome that is not fresh any more, and stands until this claim commits another. */
      readonly stale?: Outcome | undefined
    }
  | {
      readonly state: 'running'
      readonly retryAfter: number
      /** Of whoever executes. */
      readonly meta: Meta
      /** The outcome that is not fresh any more, and stands until the other commits. */
      readonly stale?: Outcome | undefined
    }
  | ({ readonly state: 'lapsed' } & LostExecution)
  | { readonly state: 'mismatch' }
  | ({ readonly state: 'done' } & Outcome)

/** A message for those who wait for a record or keep a copy of it. */
export interface Notice {
  readonly channel: string
  /** 1,000 characters at most, of which none is NUL. */
  readonly text: string
}

/** An outcome to be kept, whoever executes. */
export interface PutRequest {
  readonly record: string
  readonly value: string
  /** How long the outcome is kept, in milliseconds. */
  readonly ttl: number
  /** Milliseconds after which the outcome may be produced anew while it still stands; default: never. */
  readonly freshFor?: number | undefined
  readonly meta: Meta
  readonly notice?: Notice | undefined
}

/** The outcome of an execution, to be kept; its notice is sent only when somebody waits. */
export interface CommitRequest extends PutRequest {
  readonly id: string
}

/** Outcomes that are produced once, or once in a while: idempotent calls, cached values. */
export interface Records {
  /**
   * Reads the outcome or claims its execution, in one atomic step.
   *
   * An outcome that is not fresh any more is claimed as a missing one is, and stands until the claim commits. Asked
   * again, an attempt gets the same answer again: its token, what it has taken over, and what is left of its lease.
   */
  begin(request: BeginRequest): Promise<BeginReply>
  /**
   * Gives the claim `lease` milliseconds from now (0: it has lapsed), and other `meta` if that is given; answers whether it
   * was still the caller's.
   */
  renew(record: string, id: string, lease: number, meta?: Meta): Promise<boolean>
  /** Keeps the outcome, if the claim is still the caller's; answers whether it was. */
  commit(request: CommitRequest): Promise<boolean>
  /**
   * Forgets the claim, so that the next caller runs, and leaves an outcome that stands; answers whether it was the
   * caller's. The notice is sent only when somebody waits.
   */
  drop(record: string, id: string, notice?: Notice): Promise<boolean>
  /** Keeps an outcome and ends every claim on the record, so that what was executed before it is not kept. */
  put(request: PutRequest): Promise<void>
  /** Forgets the outcome and ends every claim; answers whether there was either. */
  remove(record: string, notice?: Notice): Promise<boolean>
  /** Removes all records whose names start with a prefix of 64 ASCII characters at most, a few at a time. */
  clear(prefix: string, notice?: Notice): Promise<void>
}

/** One entry of a history. */
export interface HistoryEntry {
  readonly sequence: number
  readonly value: string
  /** When it was written, in milliseconds since the epoch, by the store's clock. */
  readonly at: number
  readonly meta: Meta
}

/** Where a history stands: what is smaller, by token and then by sequence, comes too late. */
export interface HistoryMark {
  readonly token: number
  /** Of the latest entry; -1 when there is none. */
  readonly sequence: number
}

/** An entry to be written. */
export interface AppendRequest {
  readonly history: string
  /** The fencing token of whoever writes; 0 for writers without one. */
  readonly token: number
  readonly sequence: number
  readonly value: string
  /** How many entries are kept, this one included. */
  readonly keep: number
  /** How long the history is kept from now on, in milliseconds. */
  readonly ttl: number
  readonly meta: Meta
}

/** The answer to a writer: `stale` when somebody with a greater token, or the same one further on, was there before. */
export type HistoryReply<T = unknown> =
  | ({ readonly state: 'current' } & T)
  | { readonly state: 'stale'; readonly current: HistoryMark }

/** Ordered entries by name, written by one fenced writer at a time: checkpoints, terms. */
export interface Histories {
  /**
   * Takes the history over: writers with a smaller token are stale from now on. Answers the latest entry, in the same
   * step.
   */
  open(
    history: string,
    token: number,
    ttl: number,
  ): Promise<HistoryReply<{ readonly latest: HistoryEntry | undefined }>>
  /**
   * Writes an entry unless it comes too late; the same token and sequence again replaces it.
   *
   * Entries of the same or a greater sequence, which a smaller token has left, are dropped: sequences always grow.
   */
  append(request: AppendRequest): Promise<HistoryReply>
  /** The entry of a sequence, or the latest one. */
  read(history: string, sequence?: number): Promise<HistoryEntry | undefined>
  /** All entries, the latest first. */
  list(history: string): Promise<readonly HistoryEntry[]>
  /** Drops all but the latest `keep` entries; answers how many that were. */
  trim(history: string, keep: number): Promise<number>
  /** Forgets the entries and the mark; answers whether there were any. */
  remove(history: string): Promise<boolean>
}

/** One rule of a rate limit, as GCRA has it: a bucket that refills evenly. */
export interface RateRule {
  readonly name: string
  /** Microseconds in which one unit comes back. */
  readonly interval: number
  /** Units that may be spent at once. */
  readonly burst: number
}

/** A request to spend units of every rule, or of none. */
export interface RateRequest {
  readonly limiter: string
  readonly rules: readonly RateRule[]
  /** How many units; 0 only looks. */
  readonly cost: number
}

/** How a rule stands after a {@link RateRequest}. */
export interface RateStanding {
  /** Units that could be spent now. */
  readonly remaining: number
  /** Milliseconds until the request would be allowed by this rule; 0 when it was. */
  readonly retryAfter: number
  /** Milliseconds until nothing is spent any more. */
  readonly resetAfter: number
}

/** How a rule of that name stands. */
export interface RuleStanding extends RateStanding {
  readonly rule: string
}

/** The answer to a {@link RateRequest}, with the standing of each rule in their order. */
export interface RateReply {
  readonly allowed: boolean
  readonly standings: readonly RateStanding[]
}

/** Rate limits, by the store's clock. */
export interface Rates {
  /** Spends the cost of every rule if all allow it, else of none, in one atomic step. */
  consume(request: RateRequest): Promise<RateReply>
  /** Forgets what was spent. */
  reset(limiter: string, rules: readonly RateRule[]): Promise<void>
}

/** Where a circuit breaker stands. */
export type BreakerPhase = 'closed' | 'open' | 'half_open' | 'isolated'

/** Outcomes of calls, counted. */
export interface Outcomes {
  readonly success: number
  readonly failure: number
  /** Those among them that took too long. */
  readonly slow: number
}

/** The shared state of a circuit breaker. */
export interface BreakerView {
  /** Grows with every transition: what belongs to an older one counts no more. */
  readonly generation: number
  readonly phase: BreakerPhase
  /** Milliseconds until an open breaker may be probed; 0 in every other phase. */
  readonly remaining: number
  /** How often it has opened since it was last closed. */
  readonly trips: number
  /** The outcomes of this generation within the window. */
  readonly totals: Outcomes
}

/** A report of outcomes to a circuit breaker. */
export interface OutcomeReport {
  readonly breaker: string
  /** The generation in which the calls began; another one's outcomes are not counted. */
  readonly generation: number
  /** Milliseconds that the window is long. */
  readonly window: number
  readonly outcomes: Outcomes
  /** Who reports, and the number of the report: the same one again is not counted twice. */
  readonly reporter: string
  readonly sequence: number
}

/** A transition of a circuit breaker. */
export interface BreakerMove {
  readonly breaker: string
  /** The generation that it starts from; when another is current, nothing happens. */
  readonly generation: number
  readonly phase: BreakerPhase
  /** Milliseconds that it stays open. */
  readonly openFor: number
  readonly trips: number
  /** The channel to tell the new generation on. */
  readonly channel: string
}

/** The windows and states of circuit breakers. */
export interface Counts {
  /** Counts outcomes, if their generation is current, and answers how the breaker stands. */
  report(report: OutcomeReport): Promise<BreakerView>
  /** Makes a transition, if its generation is current, and answers how the breaker stands then. */
  move(move: BreakerMove): Promise<BreakerView>
}

/** What a listener on a channel is told. */
export interface SignalListener {
  /** A message has come. */
  message(text: string): void
  /** The channel works again after messages may have been lost. */
  restored(): void
}

/** A subscription that the adapter restores by itself. */
export interface Listening {
  /** Whether messages arrive now, as far as is known. */
  readonly live: boolean
  /** A message was missed: see whether the connection still works. */
  suspect(): void
  /** Stops listening. */
  close(): void
}

/** Messages between processes. Correctness never depends on one. */
export interface Signals {
  /** Listens on a channel; resolves when messages arrive, or rejects when that cannot be had now. */
  listen(channel: string, listener: SignalListener): Promise<Listening>
}

/** A client of the user's own, in whose transaction something of the store is done: of pg, a `Client` or `PoolClient`. */
export interface TransactionClient {
  /** Sends a statement, as the clients of pg do. */
  // biome-ignore lint/suspicious/noExplicitAny: the overloads of pg fit no narrower type.
  query(...args: any[]): any
}

/** What a store can do inside a transaction of the user's own database, so that both commit together. */
export interface Transactions {
  /**
   * Begins the transaction of an attempt.
   *
   * @throws `InvalidArgumentError` when the client is in one already
   */
  begin(client: TransactionClient, id: string): Promise<void>
  /**
   * Commits it, and never leaves it open.
   *
   * @throws `StoreUnavailableError` with `outcome: 'none'` when it was rolled back
   */
  commit(client: TransactionClient): Promise<void>
  /**
   * Rolls back what the client is in, and answers whether that was the attempt's transaction, as far as can be known: if not,
   * somebody has ended that before. Never rejects.
   */
  rollback(client: TransactionClient, id: string): Promise<boolean>
  /** Raises the fence of a resource, as part of the client's transaction; false when a greater token was there before. */
  fence(client: TransactionClient, resource: string, token: number): Promise<boolean>
  /**
   * {@link Records.commit} as part of the attempt's transaction.
   *
   * @throws `InvalidArgumentError` when the client is not in it any more
   */
  record(client: TransactionClient, request: CommitRequest): Promise<boolean>
}

/**
 * A store: what {@link Lock} and all other primitives are given as `provider`.
 *
 * An adapter of one's own proves itself with the suite of `holdfast/contract`.
 */
export interface Adapter {
  readonly grants: Grants
  readonly records: Records
  readonly histories: Histories
  readonly rates: Rates
  readonly counts: Counts
  readonly signals: Signals
  /** Where the store is a database that the user's own data can be in. */
  readonly transactions?: Transactions | undefined
  /** The longest that one store call may take, in milliseconds; `Infinity` for a store that cannot hang. */
  readonly deadline: number
  /** Told of everything that happens behind the caller's back: lost leases, failed releases. */
  readonly onEvent?: EventListener | undefined
  /** Connects and checks the server; optional, the first use connects. */
  connect(): Promise<void>
  /** Whether the store answered when last asked. */
  isConnected(): boolean
  /** Closes what the adapter opened, never the user's own client. */
  disconnect(): Promise<void>
}
