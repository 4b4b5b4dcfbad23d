// The engine: takes a request through its guards to its handler, and says what becomes of it.

import {
  isHoldfastError,
  isLeaseLostError,
  isStoreUnavailableError,
} from '../../core/error-guards.ts'
import { emit } from '../../core/events.ts'
import { LazyPassage, type Passage } from '../../core/policy.ts'
import { count, failures, sample } from '../../telemetry/index.ts'
import type { Exchange } from './exchange.ts'
import type { Guard, GuardKind, Inward, Verdict } from './guard.ts'
import { problemAnswer, problemOf, Refusal } from './problem.ts'

/** Each guard answers for what is further in by itself. */
const OUTERMOST = { attempt: 1, interrupt: (): void => {} }

/** Runs the guards, the first one outermost, around the handler. Never rejects. */
export function decide<A extends readonly unknown[]>(
  exchange: Exchange<A>,
  guards: readonly Guard<A>[],
): Promise<Verdict> {
  const handler: Inward = async () => {
    const { over } = exchange.state
    if (!over) return { kind: 'proceed', end: await exchange.proceed(guards.some(holdsAnswer)) }
    // The request was answered while a guard waited for its store: nothing begins for it any more.
    return { kind: 'refuse', error: over, guard: 'timeout', answer: problemAnswer(over) }
  }
  const inward = guards.reduceRight<Inward>(
    (inner, guard) => (passage) => judge(exchange, guard, passage, inner),
    handler,
  )
  const { scope } = exchange.state
  return inward(new LazyPassage(() => scope?.signal ?? exchange.state.ownSignal, OUTERMOST))
}

async function judge<A extends readonly unknown[]>(
  exchange: Exchange<A>,
  guard: Guard<A>,
  passage: Passage,
  inward: Inward,
): Promise<Verdict> {
  const { options } = guard
  const { enabled, skip, onStoreError, onEvent } = options
  const { met, local } = exchange.state
  if (met.has(guard)) return inward(passage)
  met.add(guard)
  const tell = telling(exchange, guard)
  let inner: Promise<Verdict> | undefined
  const enter: Inward = (inside, as) => {
    tell.entered(as)
    inner = inward(inside)
    return inner
  }
  const answering = new LazyPassage(() => passage.signal, {
    attempt: passage.attempt,
    interrupt: (error) =>
      tell.ended(outcomeOf(error), undefined, interrupt(exchange, guard, error)),
  })
  const run = async (): Promise<Verdict> => {
    const verdict = await guard.enter(exchange, answering, enter)
    tell.judged(verdict)
    return verdict
  }
  try {
    const leftAlone =
      enabled === false || (isPreflight(exchange) && LEAVES_PREFLIGHTS.has(guard.kind))
    if (leftAlone || (skip && (await skip(...exchange.args)))) {
      tell.ended('bypassed')
      return await inward(passage)
    }
    return await run().catch((error: unknown) => {
      if (inner || onStoreError !== 'local' || !isStoreUnavailableError(error)) throw error
      emit(onEvent, { name: 'holdfast.guard.fail_open', error })
      local.add(options)
      return run()
    })
  } catch (error) {
    if (inner) {
      // The handler has answered: what became of the guard behind it changes nothing for the client.
      emit(onEvent, { name: 'holdfast.guard.warning', error })
      tell.ended('error')
      return await inner
    }
    if (onStoreError === 'allow' && isStoreUnavailableError(error)) {
      emit(onEvent, { name: 'holdfast.guard.fail_open', error })
      tell.ended('fail_open')
      return await inward(passage)
    }
    const verdict = refusal(exchange, guard, error)
    tell.judged(verdict)
    return verdict
  }
}

function holdsAnswer({ concludes, options }: Guard<never>): boolean {
  return concludes && options.enabled !== false
}

/** Guards of a resource that a CORS preflight does not use; its real request comes next. */
const LEAVES_PREFLIGHTS: ReadonlySet<GuardKind> = new Set([
  'rate_limiter',
  'circuit_breaker',
  'lock',
  'semaphore',
])

function isPreflight(exchange: Pick<Exchange, 'method' | 'header'>): boolean {
  return (
    exchange.method === 'OPTIONS' &&
    exchange.header('origin') !== undefined &&
    exchange.header('access-control-request-method') !== undefined
  )
}

function refusal<A extends readonly unknown[]>(
  exchange: Exchange<A>,
  guard: Guard<A>,
  error: unknown,
): Verdict {
  const problem = guard.problemFor?.(error, exchange) ?? problemOf(error)
  if (!problem) return { kind: 'fail', error }
  const answer = problemAnswer(error, guard.options.problemBase, problem)
  const headers = [...answer.headers, ...(guard.refusalHeaders ?? [])]
  return { kind: 'refuse', error, guard: guard.kind, answer: { ...answer, headers } }
}

/** Ends the handler's work and answers for it, because it took too long or lost its lease: with which status, if any. */
function interrupt<A extends readonly unknown[]>(
  exchange: Exchange<A>,
  { options }: Guard<A>,
  error: Error,
): number | undefined {
  const answer = problemAnswer(error, options.problemBase)
  const answered = exchange.interrupt(answer)
  exchange.state.abort(error)
  // An answer that has begun cannot be taken back: after a lost lease it must not look complete.
  if (!answered && isLeaseLostError(error)) exchange.destroy()
  return answered ? answer.status : undefined
}

/** Tells telemetry of one guard's judgement: how long it took before the handler, and how it ended, once. */
function telling<A extends readonly unknown[]>(exchange: Exchange<A>, { kind }: Guard<A>) {
  const started = performance.now()
  let before: number | undefined
  let told = false
  let passed: string | undefined
  const entered = (as?: string): void => {
    before ??= (performance.now() - started) / 1000
    passed ??= as
  }
  const ended = (outcome: string, original?: string, status?: number): void => {
    entered()
    // One that has answered for its handler is asked again when that has ended.
    if (told) return
    told = true
    if (before !== undefined) sample('http.guard.duration', { guard: kind, outcome }, before)
    const { method, route, state } = exchange
    count('http.guard.requests', { guard: kind, outcome, method, route, status })
    state.annotate({ guard: kind, outcome, replayOf: original })
  }
  const judged = (verdict: Verdict): void => {
    if (verdict.kind === 'replay') ended('replayed', verdict.original, verdict.answer.status)
    else if (verdict.kind === 'refuse' && verdict.guard === kind) {
      ended(outcomeOf(verdict.error), undefined, verdict.answer.status)
    } else if (verdict.kind === 'fail') ended('error')
    else ended(passed ?? passedAs(exchange, kind))
  }
  return { entered, ended, judged }
}

function passedAs({ state }: Exchange, kind: string): string {
  if (kind !== 'idempotency') return 'passed'
  const { idempotency } = state.holdfast
  if (!idempotency) return 'bypassed'
  return idempotency.recovered ? 'recovered' : 'executed'
}

function outcomeOf(error: unknown): string {
  if (error instanceof Refusal) return error.outcome
  return (isHoldfastError(error) && failures[error.code]?.outcome) || 'error'
}
