// What Hono's adapter for Node keeps of a request and of a response while nobody has asked for a stream.
//
// Every look at a body makes streams of it, which cost more than all the rest of a request. The adapter exports no names
// for what is read here: it is told by what it contains, and where it is not found the bodies are read as streams.
import type { IncomingMessage } from 'node:http'
import type { Context } from 'hono'
import type { Answer } from '../engine/index.ts'

/** What a response is made of that is in memory whole. */
export interface ResponseParts {
  readonly body: string | Uint8Array<ArrayBuffer> | null
  readonly headers: Answer['headers']
  /** Whether the headers are still as the handler gave them, and no object that others may hold. */
  readonly isPlain: boolean
}

/** The parts of a response, if its body is in memory and nothing has touched it. */
export function partsOf(response: Response): ResponseParts | undefined {
  const [status, body, headers] = (property(response, 'cache') ?? []) as readonly unknown[]
  if (status !== response.status) return undefined
  if (!isInMemory(body)) return undefined
  const plain = plainHeaders(headers)
  // Text without a type is given one when the response is made, but not by the adapter.
  if (plain && (typeof body !== 'string' || plain.some(([name]) => name === 'content-type'))) {
    return { body, headers: plain, isPlain: true }
  }
  return plain ? undefined : { body, headers: [...response.headers], isPlain: false }
}

function isInMemory(body: unknown): body is ResponseParts['body'] {
  return body === null || typeof body === 'string' || body instanceof Uint8Array
}

/** The pairs of an object of strings, in lower case; undefined for anything else. */
function plainHeaders(headers: unknown): [name: string, value: string][] | undefined {
  if (typeof headers !== 'object' || headers === null) return undefined
  if (Object.getPrototypeOf(headers) !== Object.prototype) return undefined
  const pairs: [string, string][] = []
  for (const [name, value] of Object.entries(headers as Readonly<Record<string, unknown>>)) {
    const lower = name.toLowerCase()
    if (typeof value !== 'string' || pairs.some(([other]) => other === lower)) return undefined
    pairs.push([lower, value])
  }
  return pairs
}

const WITH_BODY = new Set(['POST', 'PUT', 'PATCH', 'DELETE'])

/**
 * The whole body of a request whose length is known, read before anybody else has begun to; undefined where that cannot
 * be, and the request has to be read through its streams. Whoever reads the request later finds the body unread.
 */
export function incomingBody(c: Context): Promise<Uint8Array> | undefined {
  const incoming = unreadMessage(c)
  if (!incoming) return undefined
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.once('end', () => {
      const body = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)
      // Platforms that read requests themselves leave the body here, and the adapter takes it from here.
      incoming.rawBody = body
      resolve(body)
    })
    incoming.once('close', () =>
      reject(incoming.errored ?? new Error('The client has gone before its request had arrived')),
    )
  })
}

function unreadMessage(c: Context): (IncomingMessage & { rawBody?: unknown }) | undefined {
  const { raw } = c.req
  const { incoming } = (c.env ?? {}) as { readonly incoming?: IncomingMessage }
  if (!incoming || !WITH_BODY.has(raw.method) || incoming.headers?.['content-length'] === undefined)
    return undefined
  const { httpVersionMajor, readableDidRead, readableEncoding, destroyed } = incoming
  if (httpVersionMajor !== 1 || readableDidRead || readableEncoding || destroyed) return undefined
  // Older versions of the adapter, which have no such mark, know no `rawBody` either.
  if (!property(incoming, 'wrapBodyStream')) return undefined
  // Once a real request was made of the message, that one alone can be read.
  const kept: unknown[] = Object.getOwnPropertySymbols(raw).map((symbol) => raw[symbol as never])
  const isUntouched = kept.includes(incoming) && !kept.some((each) => each instanceof Request)
  return isUntouched ? incoming : undefined
}

/** What an object keeps under a symbol of its own that is described so. */
function property(object: object, description: string): unknown {
  for (const symbol of Object.getOwnPropertySymbols(object)) {
    if (symbol.description === description) {
      return (object as Readonly<Record<symbol, unknown>>)[symbol]
    }
  }
  return undefined
}
