// The idempotency guard: a request with a key runs once, and its answer is replayed.
import { emit } from '../../core/events.ts'
import type { LostCall, Resolution } from '../../core/execution.ts'
import {
  expectBoolean,
  expectDuration,
  expectFunction,
  expectInteger,
  expectName,
  expectOptions,
  refuse,
} from '../../core/expect.ts'
import { Idempotency } from '../../core/idempotency.ts'
import { inside } from '../../core/policies.ts'
import type { Exchange } from './exchange.ts'
import { digest, fingerprintOf } from './fingerprint.ts'
import {
  expectGuardOptions,
  type Guard,
  type GuardOptions,
  nameOf,
  type PerRequest,
  providerOf,
  type Verdict,
  warnOnce,
} from './guard.ts'
import { parseIdempotencyKey } from './idempotency-key.ts'
import { Refusal } from './problem.ts'
import { isFinal, replayAnswer, type StoredAnswer, storeAnswer } from './stored-answer.ts'

/** Options of `idempotency()`; `A` is what callbacks are given: `(req, res)` or `(c)`. */
export interface IdempotencyGuardOptions<A extends readonly unknown[]> extends GuardOptions<A> {
  /**
   * Whether a request without a key is refused.
   *
   * @defaultValue false
   */
  readonly required?: boolean | undefined
  /**
   * The methods that are guarded.
   *
   * @defaultValue `['POST', 'PATCH']`
   */
  readonly methods?: readonly string[] | undefined
  /**
   * Milliseconds that an answer is kept.
   *
   * @defaultValue 86_400_000 (24 hours)
   */
  readonly ttl?: number | undefined
  /**
   * Milliseconds after which a request whose process died counts as ended.
   *
   * @defaultValue 30_000
   */
  readonly lease?: number | undefined
  /**
   * Whether a retry runs the handler again when an earlier request ended without a known outcome.
   *
   * @defaultValue false
   */
  readonly takeover?: boolean | undefined
  /** Settles an unknown outcome; `key` is the client's. */
  readonly recover?:
    | ((
        key: string,
        lost: LostCall,
        ...args: A
      ) => Promise<Resolution<StoredAnswer>> | Resolution<StoredAnswer>)
    | undefined
  /**
   * Whose keys these are: callers with different scopes never see each other's answers. Undefined refuses the request.
   * Default: a hash of the `Authorization` header, else one space for all.
   */
  readonly scope?: PerRequest<A, string | undefined> | undefined
  /** What the request asks for; default: a hash of method, path, query, media type and body. */
  readonly fingerprint?: PerRequest<A, string> | undefined
  /** More response headers to store and replay, in lower case. */
  readonly headers?: readonly string[] | undefined
  /**
   * The longest key.
   *
   * @defaultValue 255
   */
  readonly maxKeyLength?: number | undefined
  /**
   * Bytes that a request body may have.
   *
   * @defaultValue 1_048_576
   */
  readonly maxRequestBytes?: number | undefined
  /**
   * Bytes that an answer may have to be replayable.
   *
   * @defaultValue 262_144
   */
  readonly maxAnswerBytes?: number | undefined
  /**
   * The response header that marks a replay.
   *
   * @defaultValue `'Idempotent-Replayed'`
   */
  readonly replayHeader?: string | undefined
  /** Where the use of keys is documented: the target of the `describedby` link when a key is missing. */
  readonly docsUrl?: string | undefined
}

/** Bytes of JSON for one of a body, at most: those of a control character. */
const ESCAPED = 6
/** Bytes that a stored answer may have besides its body: its headers. */
const ENVELOPE = 16_384

/** Makes the guard. */
export function idempotencyGuard<A extends readonly unknown[]>(
  options: IdempotencyGuardOptions<A> = {},
): Guard<A> {
  const settings = readOptions(options)
  return {
    kind: 'idempotency',
    options,
    async enter(exchange, passage, inward) {
      const key = settings.methods.includes(exchange.method)
        ? readKey(exchange, settings)
        : undefined
      if (key === undefined) return inward(passage)
      const [record, fingerprint] = await Promise.all([
        recordOf(exchange, key, options),
        readFingerprint(exchange, settings),
      ])
      const { state, args } = exchange
      const { recover } = options
      const provider = providerOf(options, exchange)
      const idempotency = new Idempotency<StoredAnswer | undefined>({
        provider,
        ttl: options.ttl,
        lease: options.lease,
        takeover: options.takeover,
        name: nameOf(options, exchange),
        maxBytes: settings.maxAnswerBytes * ESCAPED + ENVELOPE,
        recover: recover && ((_record, lost) => recover(key, lost, ...args)),
      })
      let verdict: Verdict | undefined
      let kept: StoredAnswer | undefined
      const work = async (context: {
        readonly signal: AbortSignal
        readonly recovered: boolean
        stopRenewal(): void
      }): Promise<StoredAnswer | undefined> => {
        // From here on the outcome counts, whether this client hears of it or not.
        state.letGoOfClient()
        state.holdfast.idempotency = { key, replayed: false, recovered: context.recovered }
        exchange.onAbandoned(() => context.stopRenewal())
        exchange.capture(settings.maxAnswerBytes)
        verdict = await inside(passage, [context.signal], inward)
        kept = answerToKeep(verdict, settings.headers, options.onEvent)
        return kept
      }
      try {
        const executed = await idempotency.run(record, work, {
          fingerprint,
          keep: () => howToKeep(verdict, kept),
        })
        if (verdict || !executed.value) return verdict as Verdict
        state.holdfast.idempotency = { key, replayed: true, recovered: executed.recovered }
        return {
          kind: 'replay',
          answer: replayAnswer(executed.value, settings.replayHeader),
          original: executed.traceparent,
        }
      } catch (error) {
        if (!verdict) throw error
        // The work was done and its client is answered; the record stays in flight until its lease ends.
        emit(options.onEvent ?? provider.onEvent, {
          name: 'holdfast.idempotency.commit_failed',
          key,
          error,
        })
        return verdict
      }
    },
  }
}

/** What is stored of an answer; undefined when nothing is, or when it cannot be. */
function answerToKeep(
  verdict: Verdict,
  headers: readonly string[],
  onEvent: GuardOptions<never>['onEvent'],
): StoredAnswer | undefined {
  if (verdict.kind !== 'proceed') return undefined
  const { end } = verdict
  if (!end.body || end.late || end.refused) return undefined
  if (end.headers.some(([name]) => name === 'content-encoding')) {
    // Another client may not read this encoding.
    warnOnce(
      'holdfast.guard.warning',
      'idempotency() saw an encoded answer, which it cannot replay: mount compression before it',
      onEvent,
    )
    return undefined
  }
  return storeAnswer(end, end.body, headers)
}

/** Refusals and failures leave nothing, so that a retry runs; work that was done never runs again. */
function howToKeep(
  verdict: Verdict | undefined,
  kept: StoredAnswer | undefined,
): 'value' | 'nothing' | 'tombstone' {
  if (verdict?.kind !== 'proceed') return 'nothing'
  const { end } = verdict
  if (end.refused || end.unanswered || !isFinal(end.status)) return 'nothing'
  return kept ? 'value' : 'tombstone'
}

interface Settings<A extends readonly unknown[]> {
  readonly required: boolean
  readonly methods: readonly string[]
  readonly headers: readonly string[]
  readonly maxKeyLength: number
  readonly maxRequestBytes: number
  readonly maxAnswerBytes: number
  readonly replayHeader: string
  readonly docsUrl: string | undefined
  readonly fingerprint: PerRequest<A, string> | undefined
}

function readOptions<A extends readonly unknown[]>(
  options: IdempotencyGuardOptions<A>,
): Settings<A> {
  expectGuardOptions(expectOptions(options, 'such as `{ required: true }`'))
  const { ttl, lease, takeover, scope, fingerprint, recover, docsUrl } = options
  if (ttl !== undefined) expectDuration('ttl', ttl)
  if (lease !== undefined) expectDuration('lease', lease)
  expectBoolean('takeover', takeover, false)
  if (scope !== undefined) expectFunction('scope', scope)
  if (fingerprint !== undefined) expectFunction('fingerprint', fingerprint)
  if (recover !== undefined) expectFunction('recover', recover)
  const most = 2 ** 26
  return {
    required: expectBoolean('required', options.required, false),
    methods: expectNames('methods', options.methods ?? ['POST', 'PATCH']).map((method) =>
      method.toUpperCase(),
    ),
    headers: expectNames('headers', options.headers ?? []).map((name) => name.toLowerCase()),
    maxKeyLength: expectInteger('maxKeyLength', options.maxKeyLength ?? 255, 1, 65_536),
    maxRequestBytes: expectInteger('maxRequestBytes', options.maxRequestBytes ?? 2 ** 20, 1, most),
    maxAnswerBytes: expectInteger('maxAnswerBytes', options.maxAnswerBytes ?? 2 ** 18, 1, most),
    replayHeader: expectName('replayHeader', options.replayHeader ?? 'Idempotent-Replayed'),
    docsUrl: docsUrl === undefined ? undefined : expectName('docsUrl', docsUrl),
    fingerprint,
  }
}

function expectNames(option: string, values: readonly string[]): readonly string[] {
  if (!Array.isArray(values)) refuse(option, 'a list of names', values)
  return values.map((value) => expectName(option, value))
}

function readKey<A extends readonly unknown[]>(
  exchange: Exchange<A>,
  { required, maxKeyLength, docsUrl }: Settings<A>,
): string | undefined {
  const header = exchange.header('idempotency-key')
  if (header === undefined) {
    if (!required) return undefined
    const problem = { status: 400, type: 'idempotency#key-missing', retries: false }
    throw new Refusal(
      { ...problem, title: 'The Idempotency-Key header is missing' },
      'This operation needs an Idempotency-Key header: a string that is new for every operation, such as a UUID, and the same for its retries.',
      'invalid',
      docsUrl === undefined ? [] : [['link', `<${docsUrl}>; rel="describedby"`]],
    )
  }
  const key = parseIdempotencyKey(header, maxKeyLength)
  if (key !== undefined) return key
  const problem = { status: 400, type: 'idempotency#key-invalid', retries: false }
  throw new Refusal(
    { ...problem, title: 'The Idempotency-Key header is invalid' },
    `Expected one Idempotency-Key of 1 to ${maxKeyLength} visible ASCII characters, such as "8e03978e-40d5-43dd-bc93-6894a57f9324".`,
    'invalid',
  )
}

async function readFingerprint<A extends readonly unknown[]>(
  exchange: Exchange<A>,
  { fingerprint, maxRequestBytes }: Settings<A>,
): Promise<string> {
  if (fingerprint) return digest([await fingerprint(...exchange.args)])
  const body = await exchange.body(maxRequestBytes)
  if (body.kind === 'too-large') {
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
      'The request has a body that nobody has read: mount a body parser, such as express.json(), before idempotency().',
      'invalid',
    )
  }
  return fingerprintOf(exchange, body)
}

/** The record of a key: nobody can reach another caller's, or another route's, by choosing a key. */
async function recordOf<A extends readonly unknown[]>(
  exchange: Exchange<A>,
  key: string,
  { scope, onEvent }: IdempotencyGuardOptions<A>,
): Promise<string> {
  const { method, path, args } = exchange
  const caller = scope ? await scope(...args) : defaultScope(exchange, onEvent)
  if (caller === undefined) {
    const problem = { status: 400, type: 'idempotency#no-scope', retries: false }
    throw new Refusal(
      { ...problem, title: 'The caller is unknown' },
      'An Idempotency-Key can only be used by a caller that the service knows.',
      'invalid',
    )
  }
  return digest([caller, method, path, key])
}

function defaultScope<A extends readonly unknown[]>(
  exchange: Exchange<A>,
  onEvent: IdempotencyGuardOptions<A>['onEvent'],
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
