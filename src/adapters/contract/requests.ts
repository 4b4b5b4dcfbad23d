// Requests to a store, complete but for what a check is about.
import type {
  AppendRequest,
  BeginRequest,
  CommitRequest,
  GrantRequest,
  PutRequest,
} from '../../core/ports.ts'
import { freshId } from './trial.ts'

/** A time to live that is never over while a check runs. */
export const LONG = 60_000
/** A time to live that is over soon: a check never relies on it lasting. */
export const SHORT = 100

/** The capacity of what readers share and a writer takes as a whole. */
const ALL = 1_000_000

/** A request for a lock. */
export function exclusive(resource: string, change: Partial<GrantRequest> = {}): GrantRequest {
  return {
    resource,
    id: freshId(),
    weight: 1,
    capacity: 1,
    exclusive: true,
    ttl: LONG,
    wait: false,
    inbox: { id: freshId(), listening: false },
    meta: {},
    ...change,
  }
}

/** A request to read. */
export function reader(resource: string, change: Partial<GrantRequest> = {}): GrantRequest {
  return exclusive(resource, { capacity: ALL, exclusive: false, ...change })
}

/** A request to write. */
export function writer(resource: string, change: Partial<GrantRequest> = {}): GrantRequest {
  return exclusive(resource, { weight: ALL, capacity: ALL, ...change })
}

/** A request for permits. */
export function permits(
  resource: string,
  weight: number,
  capacity: number,
  change: Partial<GrantRequest> = {},
): GrantRequest {
  return exclusive(resource, { weight, capacity, exclusive: false, ...change })
}

/** A request to run something once. */
export function once(record: string, change: Partial<BeginRequest> = {}): BeginRequest {
  return {
    record,
    id: freshId(),
    lease: LONG,
    ttl: LONG,
    fingerprint: undefined,
    takeover: 'never',
    meta: {},
    ...change,
  }
}

/** The outcome of a request that was claimed. */
export function outcome(
  { record, id }: Pick<BeginRequest, 'record' | 'id'>,
  value: string,
  change: Partial<CommitRequest> = {},
): CommitRequest {
  return { record, id, value, ttl: LONG, meta: {}, ...change }
}

/** An outcome to be kept, whoever executes. */
export function kept(record: string, value: string, change: Partial<PutRequest> = {}): PutRequest {
  return { record, value, ttl: LONG, meta: {}, ...change }
}

/** An entry of a history. */
export function entry(
  history: string,
  token: number,
  sequence: number,
  change: Partial<AppendRequest> = {},
): AppendRequest {
  const value = `step ${sequence} of ${token}`
  return { history, token, sequence, value, keep: 10, ttl: LONG, meta: {}, ...change }
}
