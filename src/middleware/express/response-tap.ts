// The tap on a Node response: sees the handler's answer, can hold back its end, and can answer in its stead.
import type { IncomingMessage, ServerResponse } from 'node:http'
import {
  type Answer,
  Attachment,
  BODY_HEADERS,
  concat,
  type End,
  stateOf,
} from '../engine/index.ts'
import { beforeDestroy } from './connection.ts'
import { type HeadHeaders, headersOf } from './headers.ts'

type Callback = (error?: Error | null) => void

/** A guard that waits for the handler's end; those further in hear of it first. */
interface Watcher {
  readonly ended: (end: End) => void
  /** Resolves when the guard has done what it does before the last byte leaves; undefined when it does nothing then. */
  readonly done: Promise<void> | undefined
}

/** An end that waits for the guards; no closure, because V8 keeps one that is a property, and its request, for long. */
interface HeldEnd {
  readonly chunk: unknown
  readonly encoding: BufferEncoding
  readonly callback: Callback | undefined
}

/** Where the handler's answer goes. */
type Flow =
  /** Straight on. */
  | 'passing'
  /** Held back, because it may be complete before this turn of the event loop is over. */
  | 'holding'
  /** Nowhere: the client has been answered already. */
  | 'sinking'

const taps = new Attachment<ResponseTap>('holdfast.response')

/**
 * One tap for each response, however many guards are on its route.
 *
 * `res.json`, `res.send`, streams and `sendFile` all end in `write` and `end`, and the headers of `writeHead` are seen
 * nowhere else: patching these sees every answer.
 */
export class ResponseTap {
  readonly #req: IncomingMessage
  readonly #res: ServerResponse
  readonly #write: ServerResponse['write']
  readonly #end: ServerResponse['end']
  readonly #writeHead: ServerResponse['writeHead']
  readonly #flushHeaders: ServerResponse['flushHeaders']
  readonly #destroy: ServerResponse['destroy']
  readonly #watchers: Watcher[] = []
  readonly #abandoned: (() => void)[] = []
  readonly #closings: (() => void)[] = []
  #flow: Flow = 'passing'
  #limit = 0
  #held: Uint8Array[] = []
  #heldBytes = 0
  #headers: Answer['headers'] = []
  #streamed = false
  readonly #begun: ((status: number) => void)[] = []
  #ended = false
  #heldEnd: HeldEnd | undefined
  #closed = false

  private constructor(req: IncomingMessage, res: ServerResponse) {
    this.#req = req
    this.#res = res
    this.#write = res.write
    this.#end = res.end
    this.#writeHead = res.writeHead
    this.#flushHeaders = res.flushHeaders
    this.#destroy = res.destroy
    Object.assign(res, ResponseTap.#patches)
    res.once('close', () => this.#onClose())
    // The client may have left while something further out was waiting.
    if (res.destroyed) this.#onClose()
  }

  /** The same functions for every response: V8 handles closures that are new for each object badly, and keeps their garbage. */
  static readonly #patches: ThisType<ServerResponse> & object = {
    write(chunk: unknown, ...rest: unknown[]) {
      return tapOf(this).#onWrite(chunk, rest)
    },
    end(...args: unknown[]) {
      return tapOf(this).#onEnd(args)
    },
    writeHead(...args: unknown[]) {
      return tapOf(this).#onWriteHead(args)
    },
    flushHeaders() {
      tapOf(this).#onFlushHeaders()
    },
    destroy(error?: Error) {
      return tapOf(this).#onDestroy(error)
    },
  }

  static of(req: IncomingMessage, res: ServerResponse): ResponseTap {
    const known = taps.of(res)
    if (known) return known
    const tap = new ResponseTap(req, res)
    taps.attach(res, tap)
    return tap
  }

  /** Waits for the handler's end; its last byte leaves when `done` has resolved, if there is such a thing to wait for. */
  watch(done: Promise<void> | undefined): Promise<End> {
    return new Promise((ended) => this.#watchers.push({ ended, done }))
  }

  /** Resolves with the status of an answer that begins to leave before its end. */
  begun(): Promise<number> {
    return new Promise((resolve) => {
      if (this.#streamed) resolve(this.#res.statusCode)
      else this.#begun.push(resolve)
    })
  }

  /** Keeps the answer's body, up to `limit` bytes, whole and held back while that is possible. */
  capture(limit: number): void {
    if (this.#flow !== 'passing' || this.#res.headersSent) return
    this.#flow = 'holding'
    this.#limit = limit
  }

  /** Calls back when the response has closed before the handler's end; at once when it has closed already. */
  onAbandoned(callback: () => void): void {
    if (this.#closed && !this.#ended) callback()
    else this.#abandoned.push(callback)
  }

  /** Answers in the handler's stead; what it still writes goes nowhere. */
  interrupt(answer: Answer): boolean {
    const res = this.#res
    if (this.#ended || this.#flow === 'sinking' || this.#streamed || res.headersSent) return false
    this.#flow = 'sinking'
    // What outer middlewares have set for every answer stays; what describes the handler's body does not.
    for (const name of BODY_HEADERS) res.removeHeader(name)
    write(res, answer)
    res.setHeader('content-length', answer.body.length)
    this.#writeHead.call(res, answer.status)
    const body = this.#req.method === 'HEAD' ? undefined : answer.body
    this.#end.call(res, body, 'utf8', undefined)
    this.#sink()
    return true
  }

  /** Resolves when the answer has left, or its connection has gone. */
  closed(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#closed) resolve()
      else this.#closings.push(resolve)
    })
  }

  /** Breaks the connection off under a handler that goes on. */
  destroy(): void {
    this.#heldEnd = undefined
    this.#destroy.call(this.#res)
  }

  #onWrite(chunk: unknown, rest: readonly unknown[]): boolean {
    const passes = this.#flow === 'passing' && !this.#ended
    if (passes || !isChunk(chunk)) {
      const written = this.#write.apply(this.#res, [chunk, ...rest] as unknown as [string, 'utf8'])
      this.#begin()
      return written
    }
    const callback = rest.find((each) => typeof each === 'function') as Callback | undefined
    if (this.#flow === 'sinking') {
      if (callback) queueMicrotask(callback)
      return true
    }
    if (this.#ended) {
      if (callback) queueMicrotask(() => callback(tooLate(this.#res)))
      return false
    }
    const bytes = bytesOf(chunk, rest[0])
    // Whoever waits for the callback before it goes on would wait for ever; it may then use its buffer again.
    this.#hold(callback ? Uint8Array.from(bytes) : bytes)
    if (callback) queueMicrotask(callback)
    // It may have been too much to be held.
    return !this.#res.writableNeedDrain
  }

  #hold(bytes: Uint8Array): void {
    if (this.#held.length === 0) {
      // The first write fixes the head, as it does when nothing is held back: an error handler must not begin anew.
      if (!this.#res.headersSent) this.#res.writeHead(this.#res.statusCode)
      // What is not complete within this turn is a stream: it flows, and is not kept.
      if (!this.#isBounded()) setImmediate(() => this.#stream())
    }
    this.#held.push(bytes)
    this.#heldBytes += bytes.length
    if (this.#heldBytes > this.#limit) this.#stream()
  }

  /** Whether the answer says that it will fit: then it is worth waiting for, turns later too. */
  #isBounded(): boolean {
    const length = this.#headers.find(([name]) => name === 'content-length')
    return length !== undefined && Number(length[1]) <= this.#limit
  }

  #stream(): void {
    if (this.#flow !== 'holding' || this.#ended) return
    this.#flow = 'passing'
    this.#begin()
    this.#release()
  }

  #begin(): void {
    this.#streamed = true
    for (const resolve of this.#begun.splice(0)) resolve(this.#res.statusCode)
  }

  #release(end?: () => void): void {
    const held = this.#held
    this.#held = []
    try {
      for (const bytes of held) this.#write.call(this.#res, bytes, 'utf8', undefined)
      end?.()
    } catch (error) {
      // What Node refuses only now, behind its handler's back, must not look complete.
      this.#destroy.call(this.#res, error as Error)
    }
  }

  #onWriteHead(args: readonly unknown[]): ServerResponse {
    const res = this.#res
    if (this.#flow === 'sinking') {
      res.statusCode = args[0] as number
      return res
    }
    if (this.#flow === 'holding') {
      // As they are here: what is mounted inside has changed them already, what is mounted outside will.
      const head = args.find((each) => typeof each === 'object' && each !== null) as HeadHeaders
      this.#headers = headersOf(res, head)
    }
    return this.#writeHead.apply(res, args.map(flat) as [number])
  }

  #onFlushHeaders(): void {
    if (this.#flow === 'sinking') return
    // The headers leave now: whoever sends them early means to stream.
    this.#stream()
    this.#begin()
    this.#flushHeaders.call(this.#res)
  }

  #onEnd(args: readonly unknown[]): ServerResponse {
    const res = this.#res
    const callback = args.find((each) => typeof each === 'function') as Callback | undefined
    // Node takes nothing, zero and `false` for an end without a chunk.
    const given = typeof args[0] === 'function' ? undefined : args[0] || undefined
    if (this.#ended) {
      if (callback) this.#endAgain(given, callback)
      return res
    }
    const passes = this.#flow === 'passing' && !this.#watchers.some(({ done }) => done)
    const isRefused = given !== undefined && this.#flow !== 'sinking' && !isChunk(given)
    if (passes || isRefused) {
      this.#end.apply(res, args as unknown as [string, 'utf8'])
      this.#ended = true
      void this.#tellWatchers(this.#endWith(res.statusCode, undefined))
      return res
    }
    const chunk = given === undefined ? undefined : bytesOf(given, args[1])
    const pieces = chunk ? [...this.#held, chunk] : this.#held
    const size = pieces.reduce((sum, { length }) => sum + length, 0)
    const whole = this.#flow === 'holding' && size <= this.#limit
    if (this.#flow !== 'sinking') {
      this.#commitHead(size)
      Object.defineProperty(res, 'writableEnded', { value: true })
    }
    this.#ended = true
    const body = whole ? concat(this.#hasBody() ? pieces : []) : undefined
    const end = this.#endWith(res.statusCode, body)
    const told = this.#tellWatchers(end)
    if (end.late) {
      if (callback) void told.then(() => queueMicrotask(callback))
      return res
    }
    // As it was given: Node writes text and head as one.
    const encoding = (typeof args[1] === 'string' ? args[1] : 'utf8') as BufferEncoding
    this.#heldEnd = { chunk: given, encoding, callback }
    const forget = beforeDestroy(this.#req.socket, () => this.#leave())
    void told.then(() => {
      forget()
      this.#leave()
    })
    return res
  }

  /** Sends the end that is held, if there is one. */
  #leave(): void {
    const end = this.#heldEnd
    if (!end) return
    this.#heldEnd = undefined
    const { chunk, encoding, callback } = end
    this.#release(() => this.#end.call(this.#res, chunk, encoding, callback as () => void))
  }

  /** Calls back as Node does behind an end, but emits no error, which would end the process while the end is held. */
  #endAgain(given: unknown, callback: Callback): void {
    const res = this.#res
    if (this.#flow === 'sinking') queueMicrotask(callback)
    else if (given !== undefined) queueMicrotask(() => callback(tooLate(res)))
    else if (res.writableFinished) this.#end.call(res, undefined, 'utf8', callback as () => void)
    else res.once('finish', callback)
  }

  #onDestroy(error: Error | undefined): ServerResponse {
    const late = this.#flow === 'sinking'
    // Node throws away the answers that are queued on a connection which has gone, and tells of nothing else: their
    // handlers still run, and it is not they who have given up.
    const reset = (error as NodeJS.ErrnoException | undefined)?.code === 'ECONNRESET'
    const byNode = reset && this.#req.socket.destroyed && !this.#closed
    if (byNode) this.#onClose()
    else this.#leave()
    if (!late) this.#destroy.call(this.#res, error)
    if (!this.#ended && !byNode) {
      this.#ended = true
      // Its handler throws the answer away: it has failed, unless there was nobody left to answer.
      const status = late || this.#closed ? this.#res.statusCode : 500
      void this.#tellWatchers(this.#endWith(status, undefined))
    }
    return this.#res
  }

  #endWith(status: number, body: Uint8Array | undefined): End {
    const late = this.#flow === 'sinking'
    return { status, headers: this.#headers, body, late, refused: stateOf(this.#req).refused }
  }

  /** Fixes status and headers, so that nothing between the handler's end and the real one can change them. */
  #commitHead(size: number): void {
    const res = this.#res
    if (res.headersSent) return
    const sized = res.hasHeader('content-length') || res.hasHeader('transfer-encoding')
    if (!sized && !this.#streamed && this.#hasBody() && !res.hasHeader('trailer')) {
      res.setHeader('content-length', size)
    }
    // Through whoever has patched it further in, as the first write would go.
    res.writeHead(res.statusCode)
  }

  #hasBody(): boolean {
    const { statusCode } = this.#res
    return (
      this.#req.method !== 'HEAD' && statusCode !== 204 && statusCode !== 304 && statusCode >= 200
    )
  }

  /** Tells the guards one by one, the innermost first, each when the last has done what it does. */
  async #tellWatchers(end: End): Promise<void> {
    for (let watcher = this.#watchers.pop(); watcher; watcher = this.#watchers.pop()) {
      watcher.ended(end)
      await watcher.done
    }
  }

  #onClose(): void {
    if (this.#closed) return
    this.#closed = true
    for (const resolve of this.#closings) resolve()
    if (!this.#res.writableFinished) stateOf(this.#req).disconnected()
    if (this.#ended) return
    for (const callback of this.#abandoned) callback()
  }

  /** Makes the answered response look unanswered to its handler, so that what comes late does no harm. */
  #sink(): void {
    const res = this.#res
    res.statusCode = 200
    const define = (name: string, value: PropertyDescriptor): void => {
      Object.defineProperty(res, name, { configurable: true, ...value })
    }
    // An error handler that finds the headers sent would destroy a connection that other requests use.
    define('headersSent', { get: () => false })
    define('writableEnded', { get: () => this.#ended })
    for (const name of ['setHeader', 'appendHeader', 'setHeaders', 'removeHeader']) {
      define(name, { value: () => res, writable: true })
    }
  }
}

function tapOf(res: ServerResponse): ResponseTap {
  return taps.of(res) as ResponseTap
}

/** Writes an answer's status and headers; several of one name stay several. */
export function write(res: ServerResponse, { status, headers }: Answer): void {
  res.statusCode = status
  const names = new Map<string, string[]>()
  for (const [name, value] of headers) names.set(name, [...(names.get(name) ?? []), value])
  for (const [name, values] of names) {
    res.setHeader(name, values.length === 1 ? (values[0] as string) : values)
  }
}

/** Node takes a list of header pairs only when no header was set before; a flat list it always takes. */
function flat(argument: unknown): unknown {
  return Array.isArray(argument) && Array.isArray(argument[0]) ? argument.flat() : argument
}

/** Whether Node writes it; of whatever realm its bytes are. */
function isChunk(value: unknown): boolean {
  return (
    typeof value === 'string' || Object.prototype.toString.call(value) === '[object Uint8Array]'
  )
}

/** What Node says of a write behind the end. */
function tooLate({ writableEnded }: ServerResponse): Error {
  return writableEnded
    ? Object.assign(new Error('write after end'), { code: 'ERR_STREAM_WRITE_AFTER_END' })
    : Object.assign(new Error('Cannot call write after a stream was destroyed'), {
        code: 'ERR_STREAM_DESTROYED',
      })
}

function bytesOf(chunk: unknown, encoding: unknown): Uint8Array {
  if (typeof chunk !== 'string') return chunk as Uint8Array
  return Buffer.from(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8')
}
