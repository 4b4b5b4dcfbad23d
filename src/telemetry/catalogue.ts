// Everything that can happen and what it may tell: every span, metric and attribute name lives here.

/** The prefix of every metric and attribute of this library. */
export const NAMESPACE = 'holdfast'

/** Which metric attribute values a fact may take, and whether metrics carry it too or spans alone. */
export interface FactRow {
  readonly attribute: string
  /** True when metrics carry the fact as well; false for facts of unbounded variety. */
  readonly metric: boolean
}

/** How an operation is told: its facts, its span, its histogram. */
export interface OperationRow<F> {
  readonly brief: string
  /** False for background work that must not fill a trace. */
  readonly span: boolean
  /** The histogram that records how long it took, in seconds. */
  readonly duration?: MetricName
  /** The outcome of an operation that ended without an error and noted none itself. */
  readonly success?: string
  readonly facts: { readonly [K in keyof Required<F>]: FactRow }
}

/** How a metric is made. */
export interface MetricRow {
  /** A level is a sum over processes; a gauge is not. */
  readonly kind: 'histogram' | 'counter' | 'level' | 'gauge'
  readonly unit: string
  readonly brief: string
  /** Explicit bucket boundaries of a histogram. */
  readonly buckets?: readonly number[]
}

interface Named {
  name: string
  outcome: string
}

interface LockFacts extends Named {
  mode: string
}

interface CheckpointFacts extends Named {
  operation: 'save' | 'load' | 'delete'
  sequence: number
}

/** What each operation may tell, by operation. */
export interface Facts {
  'lock.acquire': LockFacts & {
    ttl: number
    timeout: number
    contended: boolean
    attempts: number
    fencingToken: string
    owner: string
  }
  'lock.wait': LockFacts & { position: number; waiters: number; wakeup: string }
  'lock.run': LockFacts & { releaseReason: string }
  'lock.fence': LockFacts & { fencingToken: string }
  'lock.renew': { name: string }
  'semaphore.acquire': Named & {
    permits: number
    ttl: number
    timeout: number
    contended: boolean
    attempts: number
  }
  'semaphore.wait': Named & { position: number; waiters: number; wakeup: string }
  'rate_limiter.consume': Named & { remaining: number; retryAfter: number; cost: number }
  'circuit_breaker.call': Named & { state: string }
  'circuit_breaker.trip': { name: string; previous: string; failures: number; reason: string }
  'idempotency.execute': Named & { replayed: boolean; recovered: boolean; contended: boolean }
  'checkpoint.resume': Named & {
    contended: boolean
    attempts: number
    wakeup: string
    sequence: number
    fencingToken: string
  }
  'checkpoint.save': CheckpointFacts & { size: number }
  'checkpoint.load': CheckpointFacts
  'checkpoint.delete': CheckpointFacts
  'leader_election.campaign': Named & {
    contended: boolean
    attempts: number
    wakeup: string
    fencingToken: string
    owner: string
  }
  'leader_election.renew': { name: string }
  'cache.refresh': Named & { trigger: string }
  'cache.wait': Named
  'cache.warm': Named & { items: number; failed: number }
  scope: { kind: string; outcome: string }
}

/** The name of an operation of the catalogue. */
export type Operation = keyof Facts

const label = (attribute: string): FactRow => ({ attribute, metric: true })
const detail = (attribute: string): FactRow => ({ attribute, metric: false })

const own = (name: string): string => `${NAMESPACE}.${name}`
const outcome: FactRow = label(own('outcome'))

const lockFacts = { name: label(own('lock.name')), mode: label(own('lock.mode')), outcome }
const semaphoreFacts = { name: label(own('semaphore.name')), outcome }

const cacheFacts = { name: label(own('cache.name')), outcome }

const waitFacts = (kind: string) => ({
  position: detail(own(`${kind}.position`)),
  waiters: detail(own(`${kind}.waiters`)),
  wakeup: detail(own(`${kind}.wakeup`)),
})
const acquireFacts = (kind: string) => ({
  ttl: detail(own(`${kind}.lease.duration`)),
  timeout: detail(own(`${kind}.wait.limit`)),
  contended: detail(own(`${kind}.contended`)),
  attempts: detail(own(`${kind}.attempts`)),
})

const checkpointFacts = {
  name: label(own('checkpoint.name')),
  operation: label(own('checkpoint.operation')),
  outcome: detail(own('outcome')),
  sequence: detail(own('checkpoint.version')),
}
const takenFacts = (kind: string) => ({
  contended: detail(own(`${kind}.contended`)),
  attempts: detail(own(`${kind}.attempts`)),
  wakeup: detail(own(`${kind}.wakeup`)),
  fencingToken: detail(own(`${kind}.fencing_token`)),
})

/** Every operation of the library. */
export const catalogue: { readonly [O in Operation]: OperationRow<Facts[O]> } = {
  'lock.acquire': {
    brief: 'Take a lock, waiting if need be',
    span: true,
    duration: 'lock.acquire.duration',
    success: 'acquired',
    facts: {
      ...lockFacts,
      ...acquireFacts('lock'),
      fencingToken: detail(own('lock.fencing_token')),
      owner: detail(own('lock.owner')),
    },
  },
  'lock.wait': {
    brief: 'Wait in the queue of a lock for its holder',
    span: true,
    success: 'acquired',
    facts: { ...lockFacts, ...waitFacts('lock') },
  },
  'lock.run': {
    brief: 'Run a function while a lock is held',
    span: true,
    success: 'success',
    facts: { ...lockFacts, releaseReason: detail(own('release.reason')) },
  },
  'lock.fence': {
    brief: 'Let only the holder of a lock commit a transaction',
    span: true,
    success: 'raised',
    facts: { ...lockFacts, fencingToken: detail(own('lock.fencing_token')) },
  },
  'lock.renew': {
    brief: 'Renew the lease of a held lock in the background',
    span: false,
    duration: 'lock.renew.duration',
    facts: { name: lockFacts.name },
  },
  'semaphore.acquire': {
    brief: 'Take permits of a semaphore, waiting if need be',
    span: true,
    duration: 'semaphore.acquire.duration',
    success: 'acquired',
    facts: {
      ...semaphoreFacts,
      ...acquireFacts('semaphore'),
      permits: detail(own('semaphore.permits')),
    },
  },
  'semaphore.wait': {
    brief: 'Wait in the queue of a semaphore for a permit',
    span: true,
    success: 'acquired',
    facts: { ...semaphoreFacts, ...waitFacts('semaphore') },
  },
  'rate_limiter.consume': {
    brief: 'Ask a rate limit, waiting for it if asked to',
    span: true,
    success: 'allowed',
    facts: {
      name: label(own('rate_limiter.name')),
      outcome,
      remaining: detail(own('rate_limiter.remaining')),
      retryAfter: detail(own('rate_limiter.retry_after')),
      cost: detail(own('rate_limiter.cost')),
    },
  },
  'circuit_breaker.call': {
    brief: 'Call a dependency through a circuit breaker',
    span: true,
    duration: 'circuit_breaker.call.duration',
    success: 'success',
    facts: {
      name: label(own('circuit_breaker.name')),
      state: detail(own('circuit_breaker.state')),
      outcome,
    },
  },
  'circuit_breaker.trip': {
    brief: 'A circuit breaker opens',
    span: true,
    facts: {
      name: label(own('circuit_breaker.name')),
      previous: detail(own('circuit_breaker.previous_state')),
      failures: detail(own('circuit_breaker.failures')),
      reason: detail(own('reason')),
    },
  },
  'idempotency.execute': {
    brief: 'Run a function once for a key, or replay its stored outcome',
    span: true,
    duration: 'idempotency.execution.duration',
    success: 'executed',
    facts: {
      name: label(own('idempotency.name')),
      outcome,
      replayed: detail(own('idempotency.replayed')),
      recovered: detail(own('idempotency.recovered')),
      contended: detail(own('idempotency.contended')),
    },
  },
  'checkpoint.resume': {
    brief: 'Take a task over and read where it stands, waiting for its worker if need be',
    span: true,
    success: 'started',
    facts: {
      name: checkpointFacts.name,
      outcome,
      sequence: checkpointFacts.sequence,
      ...takenFacts('checkpoint'),
    },
  },
  'checkpoint.save': {
    brief: 'Save a checkpoint of a task',
    span: true,
    duration: 'checkpoint.operation.duration',
    success: 'success',
    facts: { ...checkpointFacts, size: detail(own('checkpoint.payload.size')) },
  },
  'checkpoint.load': {
    brief: 'Read checkpoints of a task',
    span: true,
    duration: 'checkpoint.operation.duration',
    success: 'success',
    facts: checkpointFacts,
  },
  'checkpoint.delete': {
    brief: 'Forget checkpoints of a task',
    span: true,
    duration: 'checkpoint.operation.duration',
    success: 'success',
    facts: checkpointFacts,
  },
  'leader_election.campaign': {
    brief: 'Stand for election until elected',
    span: true,
    success: 'elected',
    facts: {
      name: label(own('leader_election.name')),
      outcome,
      ...takenFacts('leader_election'),
      owner: detail(own('leader_election.owner')),
    },
  },
  'leader_election.renew': {
    brief: 'Renew the term of a leader in the background',
    span: false,
    duration: 'leader_election.renew.duration',
    facts: { name: label(own('leader_election.name')) },
  },
  'cache.refresh': {
    brief: 'Load a value and keep it',
    span: true,
    duration: 'cache.refresh.duration',
    success: 'kept',
    facts: { ...cacheFacts, trigger: label(own('cache.refresh.trigger')) },
  },
  'cache.wait': {
    brief: 'Wait for the load of another caller or process',
    span: true,
    success: 'success',
    facts: cacheFacts,
  },
  'cache.warm': {
    brief: 'Load those of the registered entries that are due',
    span: true,
    success: 'success',
    facts: {
      ...cacheFacts,
      items: detail(own('cache.warm.items')),
      failed: detail(own('cache.warm.failed')),
    },
  },
  scope: {
    brief: 'The life of a scope or of one of its tasks',
    span: false,
    duration: 'scope.duration',
    success: 'success',
    facts: { kind: label(own('scope.kind')), outcome },
  },
}

const HTTP_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
const STORE_SECONDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10]
const HOLD_SECONDS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300]
const AGE_SECONDS = [1, 10, 60, 300, 1800, 3600, 21_600, 43_200, 86_400]
const SIZE_BYTES = [256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576]

const duration = (brief: string, buckets: readonly number[]): MetricRow => ({
  kind: 'histogram',
  unit: 's',
  brief,
  buckets,
})
const level = (unit: string, brief: string): MetricRow => ({ kind: 'level', unit, brief })

/** What a metric that no operation records by itself may carry, by metric. */
export interface Labels {
  'lock.hold.duration': { name: string; mode: string; reason: string }
  'lock.hold.active': { name: string; mode: string }
  'lock.acquire.pending': { name: string; mode: string }
  'semaphore.hold.duration': { name: string; reason: string }
  'semaphore.permit.usage': { name: string }
  'semaphore.permit.limit': { name: string }
  'semaphore.acquire.pending': { name: string }
  'rate_limiter.requests': { name: string; policy: string; outcome: string }
  'rate_limiter.wait.duration': { name: string; outcome: string }
  'circuit_breaker.status': { name: string; state: string }
  'circuit_breaker.failure.ratio': { name: string }
  'circuit_breaker.transitions': { name: string; state: string; previous: string; reason: string }
  'idempotency.execution.active': { name: string }
  'idempotency.replay.age': { name: string }
  'idempotency.record.size': { name: string }
  'checkpoint.payload.size': { name: string }
  'checkpoint.age': { name: string }
  'checkpoint.resumes': { name: string; outcome: string }
  'leader_election.status': { name: string; state: string }
  'leader_election.transitions': { name: string; state: string; previous: string; reason: string }
  'leader_election.term.duration': { name: string; reason: string }
  'cache.requests': { name: string; result: string }
  'cache.refresh.active': { name: string }
  'cache.entry.usage': { name: string }
  'cache.entry.age': { name: string; result: string }
  'cache.evictions': { name: string; reason: string }
  'scope.active': { kind: string }
  'http.guard.duration': { guard: string; outcome: string }
  'http.guard.requests': {
    guard: string
    outcome: string
    method: string
    route: string | undefined
    status: number | undefined
  }
}

/** The name of a metric that is recorded on its own. */
export type Gauge = keyof Labels

/** The name of any metric, without the namespace. */
export type MetricName =
  | Gauge
  | 'lock.acquire.duration'
  | 'lock.renew.duration'
  | 'semaphore.acquire.duration'
  | 'circuit_breaker.call.duration'
  | 'idempotency.execution.duration'
  | 'checkpoint.operation.duration'
  | 'leader_election.renew.duration'
  | 'cache.refresh.duration'
  | 'scope.duration'

/** Every metric of the library. */
export const metricRows: { readonly [M in MetricName]: MetricRow } = {
  'lock.acquire.duration': duration('How long acquiring a lock took', STORE_SECONDS),
  'lock.hold.duration': duration('How long a lock was held', HOLD_SECONDS),
  'lock.renew.duration': duration('How long renewing a lease took', STORE_SECONDS),
  'lock.hold.active': level('{hold}', 'Locks that this process holds'),
  'lock.acquire.pending': level('{waiter}', 'Callers of this process that wait for a lock'),
  'semaphore.acquire.duration': duration('How long acquiring a permit took', STORE_SECONDS),
  'semaphore.hold.duration': duration('How long a permit was held', HOLD_SECONDS),
  'semaphore.permit.usage': level('{permit}', 'Permits that this process holds'),
  'semaphore.permit.limit': level('{permit}', 'Permits that the semaphore has in all'),
  'semaphore.acquire.pending': level('{waiter}', 'Callers of this process that wait for a permit'),
  'rate_limiter.requests': {
    kind: 'counter',
    unit: '{request}',
    brief: 'Requests that a rate limit judged',
  },
  'rate_limiter.wait.duration': duration('How long callers waited for a rate limit', HTTP_SECONDS),
  'circuit_breaker.call.duration': duration(
    'How long calls through a circuit breaker took',
    HTTP_SECONDS,
  ),
  'circuit_breaker.status': level(
    '1',
    'Whether a circuit breaker is in a state: 1 for its current one',
  ),
  'circuit_breaker.failure.ratio': {
    kind: 'gauge',
    unit: '1',
    brief: 'Share of calls in the window that failed, once it holds enough of them',
  },
  'circuit_breaker.transitions': {
    kind: 'counter',
    unit: '{transition}',
    brief: 'Transitions that this process has made',
  },
  'idempotency.execution.duration': duration('How long an idempotent call took', HTTP_SECONDS),
  'idempotency.execution.active': level('{execution}', 'Idempotent calls that run now'),
  'idempotency.replay.age': duration('How old an outcome was when replayed', AGE_SECONDS),
  'idempotency.record.size': {
    kind: 'histogram',
    unit: 'By',
    brief: 'Size of a stored outcome',
    buckets: SIZE_BYTES,
  },
  'checkpoint.operation.duration': duration(
    'How long saving, reading or forgetting checkpoints took',
    STORE_SECONDS,
  ),
  'checkpoint.payload.size': {
    kind: 'histogram',
    unit: 'By',
    brief: 'Size of a saved checkpoint',
    buckets: SIZE_BYTES,
  },
  'checkpoint.age': {
    kind: 'gauge',
    unit: 's',
    brief: 'How long ago a running task last saved: the longest ago',
  },
  'checkpoint.resumes': {
    kind: 'counter',
    unit: '{resume}',
    brief: 'Tasks that were started or resumed',
  },
  'leader_election.status': level(
    '1',
    'Elections of this process by state: the leaders of all add up to 1',
  ),
  'leader_election.transitions': {
    kind: 'counter',
    unit: '{transition}',
    brief: 'Terms that this process has won and ended',
  },
  'leader_election.term.duration': duration('How long a term lasted', AGE_SECONDS),
  'leader_election.renew.duration': duration('How long renewing a term took', STORE_SECONDS),
  'cache.requests': {
    kind: 'counter',
    unit: '{request}',
    brief: 'Reads of a cache: hit, stale or miss',
  },
  'cache.refresh.duration': duration('How long loading a value took', HTTP_SECONDS),
  'cache.refresh.active': level('{refresh}', 'Loads that run now in this process'),
  'cache.entry.usage': level('{entry}', 'Values that this process holds in memory'),
  'cache.entry.age': duration('How old a value was when it was answered', AGE_SECONDS),
  'cache.evictions': {
    kind: 'counter',
    unit: '{eviction}',
    brief: 'Values that the memory of this process gave up',
  },
  'scope.duration': duration('How long a scope or task lived', HTTP_SECONDS),
  'scope.active': level('{scope}', 'Scopes and tasks that live now'),
  'http.guard.requests': {
    kind: 'counter',
    unit: '{request}',
    brief: 'Requests that a guard judged',
  },
  'http.guard.duration': duration('Time a guard added before the handler', STORE_SECONDS),
}

const nameAnd = <R extends Readonly<Record<string, string>>>(kind: string, rest?: R) => ({
  name: own(`${kind}.name`),
  ...(rest as R),
})

/** The attribute name of each label. */
export const labelRows: { readonly [G in Gauge]: { readonly [L in keyof Labels[G]]: string } } = {
  'lock.hold.duration': {
    name: own('lock.name'),
    mode: own('lock.mode'),
    reason: own('release.reason'),
  },
  'lock.hold.active': { name: own('lock.name'), mode: own('lock.mode') },
  'lock.acquire.pending': { name: own('lock.name'), mode: own('lock.mode') },
  'semaphore.hold.duration': { name: own('semaphore.name'), reason: own('release.reason') },
  'semaphore.permit.usage': nameAnd('semaphore'),
  'semaphore.permit.limit': nameAnd('semaphore'),
  'semaphore.acquire.pending': nameAnd('semaphore'),
  'rate_limiter.requests': nameAnd('rate_limiter', {
    policy: own('rate_limiter.policy'),
    outcome: own('outcome'),
  }),
  'rate_limiter.wait.duration': nameAnd('rate_limiter', { outcome: own('outcome') }),
  'circuit_breaker.status': nameAnd('circuit_breaker', { state: own('circuit_breaker.state') }),
  'circuit_breaker.failure.ratio': nameAnd('circuit_breaker'),
  'circuit_breaker.transitions': nameAnd('circuit_breaker', {
    state: own('circuit_breaker.state'),
    previous: own('circuit_breaker.previous_state'),
    reason: own('reason'),
  }),
  'idempotency.execution.active': nameAnd('idempotency'),
  'idempotency.replay.age': nameAnd('idempotency'),
  'idempotency.record.size': nameAnd('idempotency'),
  'checkpoint.payload.size': nameAnd('checkpoint'),
  'checkpoint.age': nameAnd('checkpoint'),
  'checkpoint.resumes': nameAnd('checkpoint', { outcome: own('outcome') }),
  'leader_election.status': nameAnd('leader_election', { state: own('leader_election.state') }),
  'leader_election.transitions': nameAnd('leader_election', {
    state: own('leader_election.state'),
    previous: own('leader_election.previous_state'),
    reason: own('reason'),
  }),
  'leader_election.term.duration': nameAnd('leader_election', { reason: own('reason') }),
  'cache.requests': nameAnd('cache', { result: own('cache.result') }),
  'cache.refresh.active': nameAnd('cache'),
  'cache.entry.usage': nameAnd('cache'),
  'cache.entry.age': nameAnd('cache', { result: own('cache.result') }),
  'cache.evictions': nameAnd('cache', { reason: own('reason') }),
  'scope.active': { kind: own('scope.kind') },
  'http.guard.duration': { guard: own('guard.type'), outcome: own('guard.outcome') },
  'http.guard.requests': {
    guard: own('guard.type'),
    outcome: own('guard.outcome'),
    method: 'http.request.method',
    route: 'http.route',
    status: 'http.response.status_code',
  },
}

/** How an error is told: its low-cardinality type, and the outcome that it means for an operation. */
export interface FailureRow {
  /** The value of `error.type`; absent where the ending is no failure of the operation. */
  readonly type?: string
  readonly outcome: string
}

/** What the error codes of this library mean in telemetry; every other error is `error` and its class name. */
export const failures: Readonly<Record<string, FailureRow>> = {
  ERR_HOLDFAST_ACQUIRE_TIMEOUT: { type: 'timeout', outcome: 'timeout' },
  ERR_HOLDFAST_TIMEOUT: { type: 'timeout', outcome: 'timeout' },
  ERR_HOLDFAST_ABORTED: { outcome: 'cancelled' },
  ERR_HOLDFAST_CLIENT_DISCONNECTED: { outcome: 'cancelled' },
  ERR_HOLDFAST_CLOSED: { outcome: 'cancelled' },
  ERR_HOLDFAST_STORE_UNAVAILABLE: { type: 'store_unavailable', outcome: 'error' },
  ERR_HOLDFAST_STORE_CORRUPT: { type: 'store_corrupt', outcome: 'error' },
  ERR_HOLDFAST_LEASE_LOST: { type: 'lease_lost', outcome: 'error' },
  ERR_HOLDFAST_QUEUE_FULL: { type: 'queue_full', outcome: 'error' },
  ERR_HOLDFAST_INVALID_ARGUMENT: { type: 'invalid_argument', outcome: 'error' },
  ERR_HOLDFAST_CIRCUIT_OPEN: { type: 'circuit_open', outcome: 'rejected' },
  ERR_HOLDFAST_RATE_LIMITED: { outcome: 'rejected' },
  ERR_HOLDFAST_IN_PROGRESS: { outcome: 'conflict' },
  ERR_HOLDFAST_FINGERPRINT_MISMATCH: { outcome: 'mismatch' },
  ERR_HOLDFAST_OUTCOME_UNKNOWN: { outcome: 'outcome_unknown' },
  ERR_HOLDFAST_NOT_REPLAYABLE: { outcome: 'uncacheable' },
  ERR_HOLDFAST_STALE_CHECKPOINT: { type: 'stale_token', outcome: 'conflict' },
  ERR_HOLDFAST_SCHEMA_MISMATCH: { type: 'schema_mismatch', outcome: 'error' },
}

/** Attributes that guards set on the span of the request that they guard. */
export const guardAttributes: {
  /** How a guard judged the request. */
  readonly outcome: (guard: string) => string
  /** Whether the answer is a replay. */
  readonly replayed: string
} = {
  outcome: (guard) => own(`guard.${guard}.outcome`),
  replayed: own('idempotency.replayed'),
}
