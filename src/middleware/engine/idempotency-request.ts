// What an idempotent request says of itself: its key, whose it is, and what it asks for.
import { expectName, refuse } from '../../core/expect.ts'
import type { Exchange } from './exchange.ts'
import { digest, fingerprintOf, parsedSize } from './fingerprint.ts'
import { type GuardOptions, warnOnce } from './guard.ts'
import { parseIdempotencyKey } from './idempotency-key.ts'
import type { IdempotencySettings } from './idempotency-options.ts'
import { Refusal } from './problem.ts'

/** The key of a request; undefined when it needs none and has none. */
export function readKey<A extends readonly unknown[]>(
  exchange: Exchange<A>,
  { required, maxKeyLength, strictSyntax }: IdempotencySettings<A>,
): string | undefined {
  const header = exchange.header('idempotency-key')
  if (header === undefined) {
    if (!required) return undefined
    const problem = { status: 400, type: 'idempotency#key-missing', retries: false }
    throw new Refusal(
      { ...problem, title: 'The Idempotency-Key header is missing' },
      'This operation needs an Idempotency-Key header: a string that is new for every operation, such as a UUID, and the same for its retries.',
      'invalid',
    )
  }
  const key = parseIdempotencyKey(header, { longest: maxKeyLength, strict: strictSyntax })
  if (key !== undefined) return key
  const problem = { status: 400, type: 'idempotency#key-invalid', retries: false }
  throw new Refusal(
    { ...problem, title: 'The Idempotency-Key header is invalid' },
    `Expected one Idempotency-Key of 1 to ${maxKeyLength} visible ASCII characters${strictSyntax ? ' in quotes' : ''}, such as "8e03978e-40d5-43dd-bc93-6894a57f9324".`,
    'invalid',
  )
}

/** What a request asks for, as a hash. */
export async function readFingerprint<A extends readonly unknown[]>(
  exchange: Exchange<A>,
  { fingerprint, maxRequestBytes }: IdempotencySettings<A>,
): Promise<string> {
  if (fingerprint) {
    const own: unknown = await fingerprint(...exchange.args)
    return digest([
      typeof own === 'string'
        ? own
        : refuse('fingerprint', 'a function that answers a string', own),
    ])
  }
  const body = await exchange.body(maxRequestBytes)
  const inflated =
    body.kind === 'parsed' && !tellsLength(exchange) && parsedSize(body) > maxRequestBytes
  if (body.kind === 'too-large' || inflated) {
    const problem = { status: 413, type: 'about:blank', title: 'Content Too Large', retries: false }
    throw new Refusal(
      problem,
      `A request with an Idempotency-Key may have ${maxRequestBytes} bytes.`,
      'invalid',
    )
  }
  if (body.kind === 'unread') {
    const problem = { status: 500, type: 'idempotency#body-unread', retries: false }
    throw new Refusal(
      { ...problem, title: 'The service is configured wrongly' },
      'The request has a body or a file that nobody has read into memory: mount a body parser, such as express.json(), before idempotency(), or give it a `fingerprint`.',
      'invalid',
    )
  }
  return fingerprintOf(exchange, body)
}

/** Whether the length that was announced is that of what was parsed. */
function tellsLength(exchange: Pick<Exchange, 'header'>): boolean {
  const isCompressed = exchange.header('content-encoding') !== undefined
  return !isCompressed && exchange.header('content-length') !== undefined
}

/** Whose key it is. */
export async function readCaller<A extends readonly unknown[]>(
  exchange: Exchange<A>,
  { scope }: IdempotencySettings<A>,
  onEvent: GuardOptions<A>['onEvent'],
): Promise<string> {
  const caller = scope ? await scope(...exchange.args) : defaultScope(exchange, onEvent)
  if (caller === undefined) {
    const problem = { status: 400, type: 'idempotency#no-scope', retries: false }
    throw new Refusal(
      { ...problem, title: 'The caller is unknown' },
      'An Idempotency-Key can only be used by a caller that the service knows.',
      'invalid',
    )
  }
  return expectName('scope', caller)
}

/** The record of a key: nobody can reach another caller's, or another route's, by choosing a key. */
export async function recordOf(
  { method, path }: Exchange,
  key: string,
  caller: string,
): Promise<string> {
  return digest([caller, method, path, key])
}

function defaultScope<A extends readonly unknown[]>(
  exchange: Exchange<A>,
  onEvent: GuardOptions<A>['onEvent'],
): string {
  const authorization = exchange.header('authorization')
  if (authorization !== undefined) return `authorization:${authorization}`
  if (exchange.header('cookie') !== undefined) {
    warnOnce(
      'holdfast.guard.warning',
      'idempotency() saw requests with cookies and without Authorization: give it `scope`, so that callers cannot replay each other’s answers',
      onEvent,
    )
  }
  return 'anonymous'
}
