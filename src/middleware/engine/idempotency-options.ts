// What idempotency() can be told, and the check of it.
import type { LostCall, Resolution } from '../../core/execution.ts'
import {
  expectBoolean,
  expectDuration,
  expectFunction,
  expectInteger,
  expectOneOf,
  expectOptions,
  expectWait,
  refuse,
} from '../../core/expect.ts'
import type { Answer } from './answer.ts'
import { expectGuardOptions, type GuardOptions, type PerRequest } from './guard.ts'
import { KeyQuota } from './key-quota.ts'
import type { StoredAnswer } from './stored-answer.ts'

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
   * Milliseconds that a retry waits for the answer to the first request while that runs; then it is answered 409.
   *
   * No more than 100 requests of a process wait for one key.
   *
   * @defaultValue 0
   */
  readonly wait?: number | undefined
  /**
   * Whether a 5xx of the handler is kept like any other answer, as Stripe does, so that no retry runs again.
   *
   * @defaultValue false
   */
  readonly storeServerErrors?: boolean | undefined
  /**
   * Whether the record is written before the answer leaves, or behind it: one round trip less to wait for, and a process
   * that dies in between leaves an outcome that is unknown.
   *
   * @defaultValue `'before'`
   */
  readonly commit?: 'before' | 'after' | undefined
  /**
   * Whether a key must be a structured-field string (`"k"`), as the draft has it; the bare form is refused then.
   *
   * @defaultValue false
   */
  readonly strictSyntax?: boolean | undefined
  /**
   * The longest key.
   *
   * @defaultValue 255
   */
  readonly maxKeyLength?: number | undefined
  /**
   * How many keys of a caller are kept at a time, give or take those that it has just used; more are answered 429. It
   * costs a round trip for each new key. Default: as many as come.
   */
  readonly maxKeys?: number | undefined
  /**
   * Bytes that a request body may have, also when it came compressed or without an announced length.
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
  /** Where the use of keys is documented: the target of the `describedby` link of every refusal. */
  readonly docsUrl?: string | undefined
}

/** The options of a guard, complete. */
export interface IdempotencySettings<A extends readonly unknown[]> {
  readonly required: boolean
  readonly methods: readonly string[]
  readonly scope: PerRequest<A, string | undefined> | undefined
  readonly fingerprint: PerRequest<A, string> | undefined
  readonly headers: readonly string[]
  readonly wait: number
  readonly storeServerErrors: boolean
  readonly commitsAfter: boolean
  readonly strictSyntax: boolean
  readonly maxKeyLength: number
  readonly quota: KeyQuota | undefined
  readonly maxRequestBytes: number
  readonly maxAnswerBytes: number
  readonly replayHeader: string
  /** Header fields of every refusal. */
  readonly refusalHeaders: Answer['headers']
}

/** What the name of a header or method may consist of (RFC 9110 §5.6.2). */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
/** A URI reference as the target of a link: nothing that could end it, or the header. */
const LINK_TARGET = /^[\x21\x23-\x3b\x3d\x3f-\x7e]+$/
const MOST_BYTES = 2 ** 26
const DAY = 86_400_000

/** Checks the options, and fills in what was left out. */
export function readIdempotencyOptions<A extends readonly unknown[]>(
  options: IdempotencyGuardOptions<A>,
): IdempotencySettings<A> {
  expectGuardOptions(expectOptions(options, 'such as `{ required: true }`'))
  const { ttl, lease, takeover, scope, fingerprint, recover, maxKeys, docsUrl } = options
  const {
    methods = ['POST', 'PATCH'],
    headers = [],
    commit = 'before',
    maxKeyLength = 255,
    maxRequestBytes = 2 ** 20,
    maxAnswerBytes = 2 ** 18,
    replayHeader = 'Idempotent-Replayed',
  } = options
  if (ttl !== undefined) expectDuration('ttl', ttl)
  if (lease !== undefined) expectDuration('lease', lease)
  expectBoolean('takeover', takeover, false)
  if (recover !== undefined) expectFunction('recover', recover)
  return {
    required: expectBoolean('required', options.required, false),
    methods: expectTokens('methods', methods).map((method) => method.toUpperCase()),
    scope: scope === undefined ? undefined : expectFunction('scope', scope),
    fingerprint: fingerprint === undefined ? undefined : expectFunction('fingerprint', fingerprint),
    headers: expectTokens('headers', headers).map((name) => name.toLowerCase()),
    wait: expectWait('wait', options.wait),
    storeServerErrors: expectBoolean('storeServerErrors', options.storeServerErrors, false),
    commitsAfter: expectOneOf('commit', commit, ['before', 'after']) === 'after',
    strictSyntax: expectBoolean('strictSyntax', options.strictSyntax, false),
    maxKeyLength: expectInteger('maxKeyLength', maxKeyLength, 1, 65_536),
    quota:
      maxKeys === undefined
        ? undefined
        : new KeyQuota(expectInteger('maxKeys', maxKeys, 2), ttl ?? DAY),
    maxRequestBytes: expectInteger('maxRequestBytes', maxRequestBytes, 1, MOST_BYTES),
    maxAnswerBytes: expectInteger('maxAnswerBytes', maxAnswerBytes, 1, MOST_BYTES),
    replayHeader: expectToken('replayHeader', replayHeader),
    refusalHeaders:
      docsUrl === undefined ? [] : [['link', `<${expectTarget(docsUrl)}>; rel="describedby"`]],
  }
}

function expectTokens(option: string, values: readonly string[]): readonly string[] {
  if (!Array.isArray(values)) refuse(option, 'a list of names', values)
  return values.map((value) => expectToken(option, value))
}

function expectToken(option: string, value: string): string {
  if (typeof value !== 'string' || !TOKEN.test(value))
    refuse(option, 'a name that HTTP allows', value)
  return value
}

function expectTarget(value: string): string {
  if (typeof value !== 'string' || !LINK_TARGET.test(value)) refuse('docsUrl', 'a URL', value)
  return value
}
