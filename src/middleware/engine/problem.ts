// The answer to a refused request: problem details (RFC 9457) with the status of each error.
import { isHoldfastError } from '../../core/error-guards.ts'
import type { Answer } from './answer.ts'

/** Where the problem types of this library are named, unless `problemBase` says otherwise. */
export const PROBLEM_BASE = 'https://holdfast.dev/problems/'

const REDUCED_CAPACITY =
  'https://iana.org/assignments/http-problem-types#temporary-reduced-capacity'
const QUOTA_EXCEEDED = 'https://iana.org/assignments/http-problem-types#quota-exceeded'

/** A problem, as RFC 9457 has it. */
export interface Problem {
  readonly status: number
  /** A URI, or what follows the base. */
  readonly type: string
  readonly title: string
  /** Whether trying again may help: then the answer has a Retry-After of at least a second. */
  readonly retries: boolean
  /** Whether the client should take another connection. */
  readonly closes?: boolean
  /** The policies that the request would have violated, by the names that `RateLimit-Policy` gives them. */
  readonly violated?: readonly string[]
}

/** A lock could not be had. */
export const lockBusy: Problem = {
  status: 409,
  type: 'resource-locked',
  title: 'The resource is locked',
  retries: true,
}
/** The same, as WebDAV says it. */
export const lockedResource: Problem = {
  status: 423,
  type: 'resource-locked',
  title: 'The resource is locked',
  retries: true,
}
/** A client has spent what it may spend. */
export const quotaExceeded: Problem = {
  status: 429,
  type: QUOTA_EXCEEDED,
  title: 'The quota is exceeded',
  retries: true,
}
const noCapacity: Problem = {
  status: 503,
  type: REDUCED_CAPACITY,
  title: 'No capacity is left for the moment',
  retries: true,
}

const problems: Readonly<Record<string, Problem>> = {
  ERR_HOLDFAST_ACQUIRE_TIMEOUT: noCapacity,
  ERR_HOLDFAST_QUEUE_FULL: noCapacity,
  ERR_HOLDFAST_RATE_LIMITED: quotaExceeded,
  ERR_HOLDFAST_CIRCUIT_OPEN: {
    status: 503,
    type: 'circuit-open',
    title: 'What the service depends on is failing',
    retries: true,
  },
  ERR_HOLDFAST_STORE_UNAVAILABLE: {
    status: 503,
    type: 'store-unavailable',
    title: 'The store that coordinates requests is unavailable',
    retries: true,
  },
  ERR_HOLDFAST_STORE_CORRUPT: {
    status: 500,
    type: 'store-corrupt',
    title: 'The record of an earlier request cannot be read',
    retries: false,
  },
  ERR_HOLDFAST_LEASE_LOST: {
    status: 503,
    type: 'lease-lost',
    title: 'The request lost its exclusive access',
    retries: true,
  },
  ERR_HOLDFAST_CLOSED: {
    status: 503,
    type: 'shutting-down',
    title: 'The service is shutting down',
    retries: true,
    closes: true,
  },
  ERR_HOLDFAST_TIMEOUT: {
    status: 504,
    type: 'timeout',
    title: 'The request took too long',
    retries: false,
  },
  ERR_HOLDFAST_CLIENT_DISCONNECTED: {
    status: 499,
    type: 'client-disconnected',
    title: 'The client disconnected',
    retries: false,
  },
  ERR_HOLDFAST_IN_PROGRESS: {
    status: 409,
    type: 'idempotency#in-progress',
    title: 'A request with this Idempotency-Key is being processed',
    retries: true,
  },
  ERR_HOLDFAST_FINGERPRINT_MISMATCH: {
    status: 422,
    type: 'idempotency#payload-mismatch',
    title: 'This Idempotency-Key was used with another request',
    retries: false,
  },
  ERR_HOLDFAST_OUTCOME_UNKNOWN: {
    status: 409,
    type: 'idempotency#outcome-unknown',
    title: 'An earlier request with this Idempotency-Key ended without a known outcome',
    retries: false,
  },
  ERR_HOLDFAST_NOT_REPLAYABLE: {
    status: 409,
    type: 'idempotency#not-replayable',
    title: 'The request was processed, but its answer was not kept',
    retries: false,
  },
}

const unknown: Problem = {
  status: 500,
  type: 'about:blank',
  title: 'Internal Server Error',
  retries: false,
}

/** A refusal that no primitive makes: a missing key, a body that nobody has read. */
export class Refusal extends Error {
  readonly problem: Problem
  /** The guard's outcome in telemetry. */
  readonly outcome: string
  static {
    Refusal.prototype.name = 'Refusal'
  }
  constructor(problem: Problem, detail: string, outcome: string) {
    super(detail)
    this.problem = problem
    this.outcome = outcome
  }
}

/** The problem of a refusal; undefined for a fault of the application. */
export function problemOf(error: unknown): Problem | undefined {
  if (error instanceof Refusal) return error.problem
  return isHoldfastError(error) ? problems[error.code] : undefined
}

/** The answer to a refused request. */
export function problemAnswer(
  error: unknown,
  base: string = PROBLEM_BASE,
  problem: Problem = problemOf(error) ?? unknown,
): Answer {
  const { status, title, retries, closes, violated } = problem
  const type = /^\w+:/.test(problem.type) ? problem.type : base + problem.type
  // What a store says of itself is for operators and not for clients.
  const detail = error instanceof Refusal ? error.message : undefined
  const headers: [string, string][] = [
    ['content-type', 'application/problem+json'],
    ['cache-control', 'no-store'],
  ]
  if (retries) headers.push(['retry-after', String(retryAfterSeconds(error))])
  if (closes) headers.push(['connection', 'close'])
  const body = JSON.stringify({ type, title, status, detail, 'violated-policies': violated })
  return { status, headers, body: new TextEncoder().encode(body) }
}

/**
 * The error of a refusal, which says what it would have been answered with: an application that leaves it to its
 * framework gets the same status and headers, because error handlers look for them there.
 */
export function withAnswer<E>(error: E, { status, headers }: Answer): E {
  const known = { configurable: true, writable: true }
  return Object.defineProperties(error, {
    status: { ...known, value: status },
    headers: { ...known, value: Object.fromEntries(headers) },
  })
}

function retryAfterSeconds(error: unknown): number {
  const { code, retryAfter } = error as { code?: string; retryAfter?: number }
  // A running call renews its lease: what is left of it says nothing about when it ends.
  if (code === 'ERR_HOLDFAST_IN_PROGRESS' || retryAfter === undefined) return 1
  return Math.max(1, Math.ceil(retryAfter / 1000))
}
