// How guards become a middleware of Express: run the engine, send its verdict.
import type { NextFunction, Request, Response } from 'express'
import { decide, expectOnRefused, type Guard, type Verdict, withAnswer } from '../engine/index.ts'
import { type ExpressArgs, ExpressExchange } from './express-exchange.ts'
import { write } from './response-tap.ts'

/** An own answer to refused requests: send it, or pass the error to `next`; what it rejects with goes there as well. */
export type OnRefused = (error: unknown, req: Request, res: Response, next: NextFunction) => unknown

/** A middleware that leaves the route's own types as they are: `req.params` stays what the path says. */
export type Middleware = <P>(req: Request<P>, res: Response, next: NextFunction) => void

/** The middleware of some guards, under a name for stack traces and spans. */
export function middleware(
  name: string,
  guards: readonly Guard<ExpressArgs>[],
  onRefused: OnRefused | undefined,
): Middleware {
  expectOnRefused(onRefused)
  const run = async (req: Request, res: Response, next: NextFunction): Promise<void> => {
    let judged: () => void = () => {}
    const judgement = new Promise<void>((resolve) => {
      judged = resolve
    })
    const exchange = new ExpressExchange(req, res, next, judgement)
    // What callers hold is shown before the handler runs, and to it alone.
    ;(req as { holdfast?: unknown }).holdfast = exchange.state.holdfast
    const verdict = await decide(exchange, guards)
    judged()
    await send(verdict, exchange, req, res, next, onRefused)
  }
  // Express 4 would leave a rejection unhandled.
  const handle: Middleware = (req, res, next) => void run(req as Request, res, next).catch(next)
  Object.defineProperty(handle, 'name', { value: name })
  return handle
}

async function send(
  verdict: Verdict,
  { state }: ExpressExchange,
  req: Request,
  res: Response,
  next: NextFunction,
  onRefused: OnRefused | undefined,
): Promise<void> {
  if (verdict.kind === 'proceed') return
  if (verdict.kind === 'fail') {
    next(verdict.error)
    return
  }
  if (verdict.kind === 'refuse') {
    state.refused = true
    if (onRefused && !res.destroyed) {
      await onRefused(withAnswer(verdict.error, verdict.answer), req, res, next)
      return
    }
  }
  // To a client that has gone as well: the guards further out wait for the end.
  write(res, verdict.answer)
  res.end(verdict.answer.body)
}
