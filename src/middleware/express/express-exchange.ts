// A request of Express, as the engine sees it.
import type { Request, Response } from 'express'
import type {
  Answer,
  ClientEvidence,
  End,
  Exchange,
  RequestBody,
  RequestState,
} from '../engine/index.ts'
import { stateOf } from '../engine/index.ts'
import { filesOf } from './files.ts'
import { ResponseTap } from './response-tap.ts'

/** What callbacks of options are given. */
export type ExpressArgs = [req: Request, res: Response]

/** A request of Express. */
export class ExpressExchange implements Exchange<ExpressArgs> {
  readonly args: ExpressArgs
  readonly method: string
  readonly path: string
  readonly query: string
  readonly route: string | undefined
  readonly state: RequestState
  readonly #tap: ResponseTap
  readonly #next: () => void
  readonly #judged: Promise<void>

  /** `judged` resolves when the engine has given its verdict: the answer's last byte waits for that. */
  constructor(req: Request, res: Response, next: () => void, judged: Promise<void>) {
    this.args = [req, res]
    this.method = req.method
    const at = req.originalUrl.indexOf('?')
    this.path = at < 0 ? req.originalUrl : req.originalUrl.slice(0, at)
    this.query = at < 0 ? '' : req.originalUrl.slice(at)
    // Below a mounted router the base is the concrete path: as part of a name it would have no bounds.
    const route: unknown = req.route?.path
    this.route = req.baseUrl === '' && typeof route === 'string' ? route : undefined
    this.state = stateOf(req)
    this.#tap = ResponseTap.of(req, res)
    this.#next = next
    this.#judged = judged
  }

  get client(): ClientEvidence {
    const [req] = this.args
    const setting: unknown = req.app.get('trust proxy')
    const trusts = setting === true ? 'everybody' : setting ? 'some' : 'nobody'
    return { peer: req.socket.remoteAddress, resolved: { address: req.ip, trusts } }
  }

  header(name: string): string | undefined {
    const value = this.args[0].headers[name]
    return Array.isArray(value) ? value.join(', ') : value
  }

  async body(limit: number): Promise<RequestBody> {
    const req = this.args[0] as Request & { rawBody?: unknown; body?: unknown }
    const length = Number(req.headers['content-length'] ?? 0)
    if (length > limit) return { kind: 'too-large' }
    for (const bytes of [req.rawBody, req.body]) {
      if (!(bytes instanceof Uint8Array)) continue
      return bytes.length > limit ? { kind: 'too-large' } : { kind: 'bytes', bytes }
    }
    if (length === 0 && req.headers['transfer-encoding'] === undefined) return { kind: 'none' }
    const files = filesOf(req)
    if (files === 'elsewhere' || !wasParsed(req)) return { kind: 'unread' }
    if (files.reduce((size, { bytes }) => size + bytes.length, 0) > limit) {
      return { kind: 'too-large' }
    }
    return { kind: 'parsed', value: req.body, files }
  }

  announce(name: string, value: string, joins: boolean): void {
    const res = this.args[1]
    if (res.headersSent) return
    const listed = joins ? res.getHeader(name) : undefined
    res.setHeader(name, listed === undefined ? value : `${listed}, ${value}`)
  }

  begun(): Promise<number> {
    return this.#tap.begun()
  }

  capture(limit: number): void {
    this.#tap.capture(limit)
  }

  proceed(holds: boolean): Promise<End> {
    const ended = this.#tap.watch(holds ? this.#judged : undefined)
    this.#next()
    return ended
  }

  interrupt(answer: Answer): boolean {
    return this.#tap.interrupt(answer)
  }

  sent(): Promise<void> {
    return this.#tap.closed()
  }

  destroy(): void {
    this.#tap.destroy()
  }

  onAbandoned(callback: () => void): void {
    this.#tap.onAbandoned(callback)
  }
}

/** Whether a parser has read the body: that of Express 4 makes an empty object of what it leaves alone. */
function wasParsed({ body, readableDidRead }: Request): boolean {
  const isEmpty = typeof body === 'object' && body !== null && Object.keys(body).length === 0
  return body !== undefined && (readableDidRead || !isEmpty)
}
