// Starts an example service in a process of its own, and reads the traces that it prints.

import { fileURLToPath } from 'node:url'
import { type Child, startChild } from '../support/child.ts'
import { eventually } from '../support/eventually.ts'
import { freePort } from '../support/free-port.ts'

export type Framework = 'express' | 'hono'

export const frameworks: readonly Framework[] = ['express', 'hono']

/** A program that listens. */
interface Running extends AsyncDisposable {
  readonly url: string
  readonly process: Child
  /** The traces printed so far, in the order in which they ended, once there are `count`. */
  traces(count?: number): Promise<readonly string[]>
}

export interface Service extends Running {
  /** Pays with `key`, if one is given. */
  pay(key?: string, order?: object): Promise<Reply>
  /** Ships an order. */
  ship(orderId: string): Promise<Reply>
  /** The charges that were made. */
  charges(): Promise<readonly Charge[]>
}

export interface Reply {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

export interface Charge {
  readonly paymentId: string
  readonly orderId: string
  readonly amount: number
  readonly key: string
}

export const order = { orderId: 'o1', amount: 10 }

const examples = new URL('../../examples/', import.meta.url)

/** Starts `examples/<framework>/server.ts` and resolves when it answers. */
export async function startService(
  framework: Framework,
  env: Readonly<Record<string, string>> = {},
): Promise<Service> {
  const running = await start(new URL(`${framework}/server.ts`, examples), env)
  const { url } = running
  return {
    ...running,
    pay: (key, body = order) =>
      ask(`${url}/payments`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...(key && { 'idempotency-key': key }) },
        body: JSON.stringify(body),
      }),
    ship: (orderId) => ask(`${url}/orders/${orderId}/ship`, { method: 'POST' }),
    charges: async () => JSON.parse((await ask(`${url}/payments`)).text),
  }
}

/** Starts the program of the README, with the telemetry of the examples. */
export function startReadme(): Promise<Running> {
  const telemetry = fileURLToPath(new URL('common/telemetry.ts', examples))
  return start(new URL('readme.ts', examples), {}, ['--import', telemetry])
}

const UNSET = {
  REDIS_URL: undefined,
  LEASE_MS: undefined,
  TAKEOVER: undefined,
  RECOVER: undefined,
  OTEL_EXPORTER_OTLP_ENDPOINT: undefined,
}

async function start(
  program: URL,
  env: Readonly<Record<string, string>>,
  nodeArgs: readonly string[] = [],
): Promise<Running> {
  const port = await freePort()
  const process = startChild(program, { env: { ...UNSET, ...env, PORT: `${port}` }, nodeArgs })
  const url = `http://127.0.0.1:${port}`
  // Whatever it answers: it listens. The examples leave this path out of their traces.
  const healthy = eventually(async () => (await fetch(`${url}/healthz`)).status, {
    what: `${program.pathname} on ${url}`,
    within: 20_000,
  })
  const ended = process.exit.then(() => Promise.reject(new Error(process.stderr)))
  await Promise.race([healthy, ended])
  ended.catch(() => {})
  const printed = (): readonly string[] =>
    process.stdout.split('\n\n').filter((block) => block.startsWith('trace '))
  return {
    url,
    process,
    traces: async (count = 0) =>
      eventually(() => printed().length >= count && printed(), { what: `${count} traces` }),
    [Symbol.asyncDispose]: () => process[Symbol.asyncDispose](),
  }
}

async function ask(url: string, init?: RequestInit): Promise<Reply> {
  const response = await fetch(url, init)
  return { status: response.status, headers: response.headers, text: await response.text() }
}
