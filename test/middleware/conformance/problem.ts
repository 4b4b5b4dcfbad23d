// What every refusal looks like: problem details (RFC 9457) that no cache keeps.

import { expect } from 'vitest'
import { PROBLEM_BASE } from '../../../src/middleware/engine/problem.ts'
import type { Answered } from './client.ts'

export interface ExpectedProblem {
  readonly status: number
  /** The whole type, or what follows the base. */
  readonly type: string
  /** Whether the answer says when to come again. */
  readonly retry: boolean
}

export type ProblemName =
  | 'keyMissing'
  | 'keyInvalid'
  | 'noScope'
  | 'inProgress'
  | 'notReplayable'
  | 'outcomeUnknown'
  | 'mismatch'
  | 'tooLarge'
  | 'bodyUnread'
  | 'locked'
  | 'lockedAsWebdav'
  | 'full'
  | 'quotaExceeded'
  | 'circuitOpen'
  | 'leaseLost'
  | 'storeUnavailable'
  | 'storeCorrupt'
  | 'shuttingDown'
  | 'timeout'

export const problems: Readonly<Record<ProblemName, ExpectedProblem>> = {
  keyMissing: { status: 400, type: 'idempotency#key-missing', retry: false },
  keyInvalid: { status: 400, type: 'idempotency#key-invalid', retry: false },
  noScope: { status: 400, type: 'idempotency#no-scope', retry: false },
  inProgress: { status: 409, type: 'idempotency#in-progress', retry: true },
  notReplayable: { status: 409, type: 'idempotency#not-replayable', retry: false },
  outcomeUnknown: { status: 409, type: 'idempotency#outcome-unknown', retry: false },
  mismatch: { status: 422, type: 'idempotency#payload-mismatch', retry: false },
  tooLarge: { status: 413, type: 'about:blank', retry: false },
  bodyUnread: { status: 500, type: 'idempotency#body-unread', retry: false },
  locked: { status: 409, type: 'resource-locked', retry: true },
  lockedAsWebdav: { status: 423, type: 'resource-locked', retry: true },
  quotaExceeded: {
    status: 429,
    type: 'https://iana.org/assignments/http-problem-types#quota-exceeded',
    retry: true,
  },
  circuitOpen: { status: 503, type: 'circuit-open', retry: true },
  full: {
    status: 503,
    type: 'https://iana.org/assignments/http-problem-types#temporary-reduced-capacity',
    retry: true,
  },
  leaseLost: { status: 503, type: 'lease-lost', retry: true },
  storeUnavailable: { status: 503, type: 'store-unavailable', retry: true },
  storeCorrupt: { status: 500, type: 'store-corrupt', retry: false },
  shuttingDown: { status: 503, type: 'shutting-down', retry: true },
  timeout: { status: 504, type: 'timeout', retry: false },
}

/** Throws unless the answer is this problem, in every part that a client may rely on. */
export function expectProblem(
  answer: Answered,
  { status, type, retry }: ExpectedProblem,
  base: string = PROBLEM_BASE,
): void {
  const body = answer.json<{ type: string; title: string; status: number; detail?: string }>()
  expect({ status: answer.status, type: body.type }).toEqual({
    status,
    type: /^\w+:/.test(type) ? type : base + type,
  })
  expect(body.status).toBe(status)
  expect(body.title).toMatch(/^\S.*\S$/)
  expect(body.detail ?? '').toEqual(expect.any(String))
  expect(answer.headers['content-type']).toMatch(/^application\/problem\+json\b/)
  expect(answer.headers['cache-control']).toBe('no-store')
  if (retry) expect(answer.headers['retry-after']).toMatch(/^[1-9]\d*$/)
  else expect(answer.headers['retry-after']).toBeUndefined()
  expect(answer.headers['idempotent-replayed']).toBeUndefined()
  expect(answer.complete).toBe(true)
}
