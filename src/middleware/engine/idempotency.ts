// The idempotency guard: a request with a key runs once, and its answer is replayed.
import { emit } from '../../core/events.ts'
import type { Recover } from '../../core/execution.ts'
import { refuse } from '../../core/expect.ts'
import { Idempotency } from '../../core/idempotency.ts'
import { inside } from '../../core/policies.ts'
import type { Exchange } from './exchange.ts'
import {
  type Guard,
  type GuardOptions,
  nameOf,
  providerOf,
  type Verdict,
  warnOnce,
} from './guard.ts'
import { type IdempotencyGuardOptions, readIdempotencyOptions } from './idempotency-options.ts'
import { readCaller, readFingerprint, readKey, recordOf } from './idempotency-request.ts'
import {
  isFinal,
  isStoredAnswer,
  readAnswer,
  replayAnswer,
  type StoredAnswer,
  storeAnswer,
} from './stored-answer.ts'

/** Bytes of JSON for one of a body, at most: those of a control character. */
const ESCAPED = 6
/** Bytes that a stored answer may have besides its body: its headers. */
const ENVELOPE = 16_384

/** Makes the guard. */
export function idempotencyGuard<A extends readonly unknown[]>(
  options: IdempotencyGuardOptions<A> = {},
): Guard<A> {
  const settings = readIdempotencyOptions(options)
  return {
    kind: 'idempotency',
    options,
    concludes: true,
    refusalHeaders: settings.refusalHeaders,
    async enter(exchange, passage, inward) {
      const key = settings.methods.includes(exchange.method)
        ? readKey(exchange, settings)
        : undefined
      if (key === undefined) return inward(passage)
      const caller = await readCaller(exchange, settings, options.onEvent)
      const [record, fingerprint] = await Promise.all([
        recordOf(exchange, key, caller),
        readFingerprint(exchange, settings),
      ])
      const { state } = exchange
      const provider = providerOf(options, exchange)
      const onEvent = options.onEvent ?? provider.onEvent
      const idempotency = new Idempotency<StoredAnswer | undefined>({
        provider,
        ttl: options.ttl,
        lease: options.lease,
        takeover: options.takeover,
        name: nameOf(options, exchange),
        maxBytes: settings.maxAnswerBytes * ESCAPED + ENVELOPE,
        recover: recovery(key, exchange, options),
      })
      let verdict: Verdict | undefined
      let kept: StoredAnswer | undefined
      let tellAnswered: (verdict: Verdict) => void = () => {}
      const answered = new Promise<Verdict>((resolve) => {
        tellAnswered = resolve
      })
      const work = async (context: {
        readonly signal: AbortSignal
        readonly recovered: boolean
        stopRenewal(): void
      }): Promise<StoredAnswer | undefined> => {
        await settings.quota?.spend(provider, caller)
        // From here on the outcome counts, whether this client hears of it or not.
        state.letGoOfClient()
        state.holdfast.idempotency = { key, replayed: false, recovered: context.recovered }
        exchange.onAbandoned(() => context.stopRenewal())
        exchange.capture(settings.maxAnswerBytes)
        verdict = await inside(passage, () => context.signal, inward)
        try {
          kept = answerToKeep(verdict, settings.headers, options.onEvent)
        } catch (error) {
          // The work was done: an answer that cannot be kept leaves a tombstone, and never the key free.
          emit(onEvent, { name: 'holdfast.guard.warning', error })
        }
        tellAnswered(verdict)
        return kept
      }
      const judge = async (): Promise<Verdict> => {
        try {
          const executed = await idempotency.run(record, work, {
            fingerprint,
            wait: settings.wait,
            signal: passage.signal,
            keep: () => howToKeep(verdict, kept, settings),
          })
          if (verdict) return verdict
          const stored = readAnswer(executed.value, record)
          state.holdfast.idempotency = { key, replayed: true, recovered: executed.recovered }
          return {
            kind: 'replay',
            answer: replayAnswer(stored, settings.replayHeader),
            original: executed.traceparent,
          }
        } catch (error) {
          if (!verdict) throw error
          // The work was done and its client is answered; the record stays in flight until its lease ends.
          emit(onEvent, { name: 'holdfast.idempotency.commit_failed', key, error })
          return verdict
        }
      }
      const judged = judge()
      if (!settings.commitsAfter) return judged
      state.outlive(judged)
      return Promise.race([answered, judged])
    },
  }
}

/** The application's own answer to an unknown outcome, which must be one before it is kept. */
function recovery<A extends readonly unknown[]>(
  key: string,
  { args }: Exchange<A>,
  { recover }: IdempotencyGuardOptions<A>,
): Recover<StoredAnswer | undefined> | undefined {
  if (!recover) return undefined
  return async (_record, lost) => {
    const resolution = await recover(key, lost, ...args)
    if (resolution && 'value' in resolution && !isStoredAnswer(resolution.value)) {
      refuse(
        'recover',
        'a function that answers `{ value: { status, headers, body } }`',
        resolution.value,
      )
    }
    return resolution
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
  { storeServerErrors }: { readonly storeServerErrors: boolean },
): 'value' | 'nothing' | 'tombstone' {
  if (verdict?.kind !== 'proceed') return 'nothing'
  const { end } = verdict
  if (end.refused || end.unanswered) return 'nothing'
  if (!isFinal(end.status) && !(storeServerErrors && end.status >= 500)) return 'nothing'
  return kept ? 'value' : 'tombstone'
}
