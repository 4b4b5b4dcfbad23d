// Replies of a store, taken for what they must be.
import assert from 'node:assert/strict'
import type {
  BeginReply,
  BeginRequest,
  GrantReply,
  GrantRequest,
  Grants,
  Records,
} from '../../core/ports.ts'

type Refused = Exclude<GrantReply, { state: 'granted' }>
type In<S extends BeginReply['state']> = Extract<BeginReply, { state: S }>

/** Asks, expects a grant, and answers its token. */
export async function granted(grants: Grants, request: GrantRequest): Promise<number> {
  const reply = await grants.acquire(request)
  if (reply.state !== 'granted') assert.fail(`Expected a grant, got ${show(reply)}`)
  return reply.token
}

/** Asks, expects to be told that it does not fit now, and answers the reply. */
export async function busy(grants: Grants, request: GrantRequest): Promise<Refused> {
  const reply = await grants.acquire({ ...request, wait: false })
  if (reply.state !== 'busy') assert.fail(`Expected busy, got ${show(reply)}`)
  return reply
}

/** Who holds, by attempt. */
export async function holders(grants: Grants, resource: string): Promise<readonly string[]> {
  const view = await grants.inspect(resource)
  return view.holders.map(({ id }) => id)
}

/** Who waits, by attempt, in order. */
export async function waiters(grants: Grants, resource: string): Promise<readonly string[]> {
  const view = await grants.inspect(resource)
  return view.waiters.map(({ id }) => id)
}

/** Begins and expects a reply of one kind. */
export async function begun<S extends BeginReply['state']>(
  state: S,
  records: Records,
  request: BeginRequest,
): Promise<In<S>> {
  const reply = await records.begin(request)
  if (reply.state !== state) assert.fail(`Expected ${state}, got ${show(reply)}`)
  return reply as In<S>
}

/** Asserts a number within bounds, both included. */
export function within(what: string, value: number, least: number, most: number): void {
  assert.ok(
    value >= least && value <= most,
    `Expected ${what} to be from ${least} to ${most}, got ${value}`,
  )
}

function show(reply: object): string {
  return JSON.stringify(reply)
}
