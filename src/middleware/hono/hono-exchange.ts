// A request of Hono, as the engine sees it.
import type { Context, Next } from 'hono'
import { routePath } from 'hono/route'
import type { StatusCode } from 'hono/utils/http-status'
import {
  type Answer,
  BODY_HEADERS,
  type ClientEvidence,
  concat,
  type End,
  type Exchange,
  type RequestBody,
  RequestState,
  stateOf,
} from '../engine/index.ts'
import { answerGone, hasArrived, onDisconnect, onUnanswered } from './connection.ts'
import { incomingBody, partsOf, type ResponseParts } from './node-parts.ts'
import { peerAddress } from './peer-address.ts'
import { peekBody } from './response-body.ts'

/** What callbacks of options are given. */
export type HonoArgs = [c: Context]

/** How much of an answer is looked at to tell whether it is complete, when no guard keeps it. */
const PEEK = 262_144
const BODYLESS = new Set([101, 204, 205, 304])

/** A header of the final answer. */
interface Announced {
  readonly name: string
  readonly value: string
  readonly joins: boolean
}

/** A request of Hono. */
export class HonoExchange implements Exchange<HonoArgs> {
  readonly args: HonoArgs
  readonly method: string
  readonly path: string
  readonly query: string
  readonly route: string | undefined
  readonly state: RequestState
  /** Resolves when the answer must leave before the engine's verdict: a stream begins, or the handler was answered for. */
  readonly early: Promise<void>
  readonly #next: Next
  readonly #judged: Promise<void>
  #answerEarly: () => void = () => {}
  #limit = PEEK
  #captures = false
  readonly #announced: Announced[] = []
  #tellBegun: (status: number) => void = () => {}
  #tellEnd: (end: End) => void = () => {}
  readonly #depth: number
  readonly #forgets: (() => void)[] = []
  /** Breaks a stream off, once one has begun. */
  #breakOff: (() => void) | undefined

  /** `judged` resolves when the engine has given its verdict: the last byte of a stream waits for that. */
  constructor(c: Context, next: Next, judged: Promise<void>) {
    this.args = [c]
    this.method = c.req.method
    const [path, query] = pathAndQuery(c.req.url)
    this.path = path
    this.query = query
    this.route = routePath(c, -1)
    this.state = followedState(c)
    this.#depth = this.state.nextDepth()
    this.#next = next
    this.#judged = judged
    this.early = new Promise((resolve) => {
      this.#answerEarly = resolve
    })
  }

  get #c(): Context {
    return this.args[0]
  }

  get client(): ClientEvidence {
    return { peer: peerAddress(this.#c) }
  }

  header(name: string): string | undefined {
    return this.#c.req.header(name)
  }

  async body(limit: number): Promise<RequestBody> {
    const { req } = this.#c
    if (Number(this.header('content-length') ?? 0) > limit) return { kind: 'too-large' }
    // A body that an outer middleware has read is kept by Hono.
    if (req.raw.bodyUsed) return bytesWithin(new Uint8Array(await req.arrayBuffer()), limit)
    const arriving = incomingBody(this.#c)
    if (arriving) return bytesWithin(await arriving, limit)
    if (!req.raw.body) return { kind: 'none' }
    // A clone, so that the handler can read the raw request too.
    const { body } = req.raw.clone()
    const chunks: Uint8Array[] = []
    let size = 0
    for (const reader = (body as ReadableStream<Uint8Array>).getReader(); ; ) {
      const { done, value } = await reader.read()
      if (done) return bytesWithin(concat(chunks), limit)
      chunks.push(value)
      size += value.length
      if (size > limit) {
        void reader.cancel().catch(() => {})
        return { kind: 'too-large' }
      }
    }
  }

  announce(name: string, value: string, joins: boolean): void {
    this.#announced.push({ name: name.toLowerCase(), value, joins })
  }

  /** Sets what was announced on the final answer: a response of the handler's own has none of what was set before. */
  announceOn(response: Response): Response {
    if (this.#announced.length === 0) return response
    const parts = partsOf(response)
    if (parts?.isPlain) return this.#announceIn(response.status, parts)
    const copy = copyOf(response, parts)
    this.#setOn(copy.headers)
    return copy
  }

  /** The same as a new response, which costs less than headers that can be changed. */
  #announceIn(status: number, { body, headers }: ResponseParts): Response {
    const all = new Map(headers)
    this.#setOn({
      get: (name) => all.get(name) ?? null,
      set: (name, value) => all.set(name, value),
    })
    return new Response(body, { status, headers: Object.fromEntries(all) })
  }

  #setOn(headers: {
    get(name: string): string | null
    set(name: string, value: string): unknown
  }): void {
    // From the inside out, as the guards further in have done before.
    for (const { name, value, joins } of this.#announced.toReversed()) {
      const inner = headers.get(name)
      if (inner === null) headers.set(name, value)
      else if (joins) headers.set(name, `${value}, ${inner}`)
    }
  }

  /** Sets what was announced on whatever Hono answers to an error of the application. */
  announceAhead(): void {
    for (const { name, value } of this.#announced) this.#c.header(name, value, { append: true })
  }

  begun(): Promise<number> {
    return new Promise((resolve) => {
      this.#tellBegun = resolve
    })
  }

  capture(limit: number): void {
    this.#limit = limit
    this.#captures = true
  }

  async proceed(): Promise<End> {
    const end = await this.#handle()
    this.#tellEnd(end)
    return end
  }

  interrupt(answer: Answer): boolean {
    if (this.state.interruption || this.#breakOff) return false
    const end = new Promise<End>((resolve) => {
      this.#tellEnd = resolve
    })
    this.state.interruption = { depth: this.#depth, end }
    if (this.#c.finalized) discard(this.#c.res)
    // What outer middlewares have set for every answer stays; what describes the handler's body does not.
    for (const name of BODY_HEADERS) this.#c.header(name, undefined)
    // At once: the handler, whose signal aborts next, must not be quicker.
    this.replace(responseOf(this.#c, answer))
    this.#answerEarly()
    return true
  }

  sent(): Promise<void> {
    return answerGone(this.#c)
  }

  destroy(): void {
    this.#breakOff?.()
  }

  onAbandoned(callback: () => void): void {
    // A handler's own promise tells when it has ended, unless it waits for the rest of a request that never comes.
    const abandoned = (): void => {
      if (!hasArrived(this.#c)) callback()
    }
    this.#forgets.push(onDisconnect(this.#c, abandoned))
  }

  /** The guards are through with the request; guards further out may still wait for a handler that never began. */
  conclude(): void {
    for (const forget of this.#forgets) forget()
    this.#tellEnd({ status: 500, headers: [], body: undefined, late: true, refused: true })
  }

  async #handle(): Promise<End> {
    const c = this.#c
    try {
      await this.#next()
    } catch (error) {
      // Hono makes no answer of what is not an Error: it is thrown on, unless the client has been answered.
      return { ...this.#end(500, undefined), error, unanswered: !this.state.interruption }
    }
    const { interruption } = this.state
    if (interruption && interruption.depth > this.#depth) {
      // A guard further in has answered, and its handler still runs: the answer leaves, and the end is waited for.
      this.#answerEarly()
      return interruption.end
    }
    const { body, failed } = await this.#settle()
    const status = this.state.interruption ? (c.error ? 500 : 200) : failed ? 500 : c.res.status
    return { ...this.#end(status, body), ...(c.error && { error: c.error }) }
  }

  /** The whole body of a response that is complete; a stream is let go, and waited for to its end. */
  async #settle(): Promise<{ readonly body?: Uint8Array; readonly failed?: boolean }> {
    if (this.state.interruption) return {}
    const { res } = this.#c
    const parts = this.method === 'HEAD' ? undefined : partsOf(res)
    if (parts && !this.#captures) return {}
    if (parts) {
      // The adapter gives a type to a body without one when its headers are Headers, as those of every replay are.
      if (parts.isPlain && isUntyped(parts)) this.replace(copyOf(res, parts))
      return whole(parts.body, this.#limit)
    }
    const body = res.body as ReadableStream<Uint8Array<ArrayBuffer>> | null
    if (!body) return { body: new Uint8Array() }
    if (this.method === 'HEAD') {
      // Hono runs the GET handler for a HEAD, and leaves its body unread.
      void body.cancel().catch(() => {})
      this.replace(new Response(null, res))
      return { body: new Uint8Array() }
    }
    // An answer that says that it will fit is worth waiting for, where it is to be kept.
    const length = res.headers.get('content-length')
    const bounded = this.#captures && length !== null && Number(length) <= this.#limit
    const peeked = await peekBody(body, this.#limit, bounded, () => this.#judged)
    if (this.state.interruption) {
      if (peeked.kind === 'flowing') peeked.abandon()
      return {}
    }
    if (peeked.kind === 'complete') {
      this.replace(new Response(peeked.bytes, res))
      return peeked.bytes.length <= this.#limit ? { body: peeked.bytes } : {}
    }
    this.replace(new Response(peeked.body, res))
    this.#breakOff = peeked.breakOff
    const forget = onDisconnect(this.#c, peeked.abandon)
    this.#tellBegun(this.#c.res.status)
    this.#answerEarly()
    const ended = await peeked.ended
    forget()
    return ended
  }

  /** Puts another response in the place of the handler's. */
  replace(response: Response): void {
    const c = this.#c
    // Hono merges the headers of a response that is replaced into the next one: here they are the same.
    c.res = undefined
    c.res = response
  }

  #end(status: number, body: Uint8Array | undefined): End {
    const { res } = this.#c
    const headers = body ? (partsOf(res)?.headers ?? [...res.headers]) : []
    const { interruption, refused } = this.state
    return { status, headers, body, late: interruption !== undefined, refused }
  }
}

/** The state of a request, which follows its client from the first guard on. */
function followedState(c: Context): RequestState {
  return stateOf(c, () => {
    const state = new RequestState((work) => outlast(c, work))
    if (!onUnanswered(c, () => state.disconnected())) {
      const { signal } = c.req.raw
      const tell = (): void => state.disconnected(signal.reason)
      if (signal?.aborted) tell()
      else signal?.addEventListener('abort', tell, { once: true })
    }
    return state
  })
}

function outlast(c: Context, work: Promise<unknown>): void {
  try {
    c.executionCtx.waitUntil(work)
  } catch {
    // Only some runtimes have a context to ask; the others do not end behind an answer.
  }
}

/** The same response with headers of its own: the handler may give the ones that it has to other answers too. */
function copyOf(response: Response, parts: ResponseParts | undefined): Response {
  // Nobody but the runtime makes that of an upgrade.
  if (response.status === 101) return response
  return new Response(parts ? parts.body : response.body, response)
}

/** Ends a stream that nobody will read: the guards further in wait for its end. */
function discard(response: Response): void {
  if (partsOf(response) || !response.body || response.body.locked) return
  void response.body.cancel().catch(() => {})
}

/** An answer as a Response, which also has what outer middlewares have set with `c.header()`. */
export function responseOf(c: Context, { status, headers, body }: Answer): Response {
  const lists = new Map<string, string[]>()
  for (const [name, value] of headers) lists.set(name, [...(lists.get(name) ?? []), value])
  const hasBody = body.length > 0 && !BODYLESS.has(status)
  return c.newResponse(
    hasBody ? (body as Uint8Array<ArrayBuffer>) : null,
    status as StatusCode,
    Object.fromEntries(lists),
  )
}

function isUntyped({ body, headers }: ResponseParts): boolean {
  return body !== null && !headers.some(([name]) => name === 'content-type')
}

/** A body that is in memory, in bytes, unless it has too many. */
function whole(body: ResponseParts['body'], limit: number): { readonly body?: Uint8Array } {
  if (body === null) return { body: new Uint8Array() }
  const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : body
  return bytes.length <= limit ? { body: bytes } : {}
}

/** The path and the query of the URL of a request, which its runtime has normalised. */
function pathAndQuery(url: string): [path: string, query: string] {
  const hash = url.indexOf('#')
  const end = hash < 0 ? url.length : hash
  const start = url.indexOf('/', url.indexOf('://') + 3)
  const question = url.indexOf('?', start)
  if (question < 0 || question > end) return [url.slice(start, end), '']
  // A question mark with nothing behind it is no query.
  return [url.slice(start, question), end > question + 1 ? url.slice(question, end) : '']
}

function bytesWithin(bytes: Uint8Array, limit: number): RequestBody {
  return bytes.length > limit ? { kind: 'too-large' } : { kind: 'bytes', bytes }
}
