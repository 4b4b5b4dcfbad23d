// How guards become a middleware of Hono: run the engine, return its verdict.
import type { Context, Env, MiddlewareHandler } from 'hono'
import {
  type Answer,
  decide,
  expectOnRefused,
  type Guard,
  type Verdict,
  withAnswer,
} from '../engine/index.ts'
import { type HonoArgs, HonoExchange, responseOf } from './hono-exchange.ts'

/** An own answer to refused requests. */
export type OnRefused = (error: unknown, c: Context) => Response | Promise<Response>

/** The middleware of some guards, under a name for stack traces. */
export function middleware<E extends Env>(
  name: string,
  guards: readonly Guard<HonoArgs>[],
  onRefused: OnRefused | undefined,
): MiddlewareHandler<E> {
  expectOnRefused(onRefused)
  const handle: MiddlewareHandler<E> = async (c, next) => {
    let judged: () => void = () => {}
    const judgement = new Promise<void>((resolve) => {
      judged = resolve
    })
    const exchange = new HonoExchange(c, next, judgement)
    c.set('holdfast' as never, exchange.state.holdfast as never)
    const deciding = decide(exchange, guards).finally(() => {
      judged()
      exchange.conclude()
    })
    const verdict = await Promise.race([deciding, exchange.early])
    if (!verdict) exchange.state.keepAlive?.(deciding)
    const response = verdict && (await answer(verdict, exchange, c, onRefused))
    if (response) return exchange.announceOn(response)
    const announced = exchange.announceOn(c.res)
    if (announced !== c.res) exchange.replace(announced)
  }
  Object.defineProperty(handle, 'name', { value: name })
  return handle
}

function answer(
  verdict: Verdict,
  exchange: HonoExchange,
  c: Context,
  onRefused: OnRefused | undefined,
): Response | Promise<Response> | undefined {
  const { state } = exchange
  switch (verdict.kind) {
    case 'proceed':
      if (verdict.end.unanswered) throw verdict.end.error
      return undefined
    case 'fail':
      exchange.announceAhead()
      throw verdict.error
    case 'refuse':
      state.refused = true
      return onRefused
        ? onRefused(thrown(verdict.error, verdict.answer, c), c)
        : responseOf(c, verdict.answer)
    case 'replay':
      return responseOf(c, verdict.answer)
  }
}

/** The error of a refusal: one that is thrown is answered by Hono as it answers its own HTTPException. */
function thrown(error: unknown, answer: Answer, c: Context): unknown {
  return Object.defineProperty(withAnswer(error, answer), 'getResponse', {
    configurable: true,
    value: () => responseOf(c, answer),
  })
}
