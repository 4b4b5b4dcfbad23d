// An HTTP client over a real socket that can leave at any time and sees exactly what arrives.

import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'

export interface Sending {
  readonly method?: string
  readonly path?: string
  /** Sent as the quoted `Idempotency-Key`. */
  readonly key?: string
  /** A list is sent as so many lines of one name. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
  /** Bytes and text go as they are, anything else as JSON. */
  readonly body?: unknown
  /** @defaultValue `'application/json'` when there is a body */
  readonly type?: string
  /** Sends the body without announcing its length. */
  readonly chunked?: boolean
  /** On a connection of its own. */
  readonly alone?: boolean
}

export interface Answered {
  readonly status: number
  /** In lower case; the last of several of one name, joined where HTTP allows it. */
  readonly headers: Readonly<Record<string, string | undefined>>
  /** Every value of a name, in order. */
  all(name: string): string[]
  readonly bytes: Buffer
  readonly text: string
  json<T = Record<string, unknown>>(): T
  /** False when the connection broke off in mid-answer. */
  readonly complete: boolean
  /** The port of the client's end: the same for requests of one connection. */
  readonly connection: number
}

export interface Sent {
  /** Rejects when the connection breaks before an answer has begun. */
  readonly answer: Promise<Answered>
  /** Resolves when the answer's head has arrived. */
  readonly begun: Promise<IncomingMessage>
  /** What has arrived of the body once anything has. */
  readonly first: Promise<string>
  /** Breaks the connection. */
  leave(): void
}

export class Client implements Disposable {
  readonly port: number
  /** The requests that wait for their answer, by method and path; those whose client has left do not. */
  readonly waiting: Set<string> = new Set()
  readonly #agent = new Agent({ keepAlive: true })
  #sent = 0

  constructor(port: number) {
    this.port = port
  }

  /** Sends a request and waits for the whole answer. */
  request(sending: Sending): Promise<Answered> {
    return this.send(sending).answer
  }

  post(path: string, sending: Omit<Sending, 'method' | 'path'> = {}): Promise<Answered> {
    return this.request({ ...sending, method: 'POST', path })
  }

  get(path: string, sending: Omit<Sending, 'method' | 'path'> = {}): Promise<Answered> {
    return this.request({ ...sending, method: 'GET', path })
  }

  send({
    method = 'POST',
    path = '/',
    key,
    headers = {},
    body,
    type,
    chunked,
    alone,
  }: Sending): Sent {
    const payload =
      body === undefined || body instanceof Uint8Array || typeof body === 'string'
        ? body
        : JSON.stringify(body)
    const outgoing = request({
      port: this.port,
      host: '127.0.0.1',
      method,
      path,
      agent: alone ? false : this.#agent,
      headers: {
        ...(payload !== undefined && {
          'content-type': type ?? 'application/json',
          ...(chunked
            ? { 'transfer-encoding': 'chunked' }
            : { 'content-length': Buffer.byteLength(payload) }),
        }),
        ...(key !== undefined && { 'idempotency-key': `"${key}"` }),
        ...(headers as Record<string, string | string[]>),
      },
    })
    const begun = new Promise<IncomingMessage>((resolve, reject) => {
      outgoing.once('response', resolve)
      outgoing.once('error', reject)
    })
    const answer = begun.then(read)
    const first = begun.then(async (incoming) => String((await once(incoming, 'data'))[0]))
    const name = `${++this.#sent}: ${method} ${path}`
    this.waiting.add(name)
    const over = (): void => void this.waiting.delete(name)
    answer.then(over, over)
    // Whoever leaves does not wait for an answer.
    for (const each of [begun, first]) each.catch(() => {})
    outgoing.end(payload)
    return {
      answer,
      begun,
      first,
      leave: () => {
        over()
        outgoing.destroy()
      },
    }
  }

  [Symbol.dispose](): void {
    this.#agent.destroy()
  }
}

async function read(incoming: IncomingMessage): Promise<Answered> {
  const connection = incoming.socket.localPort ?? -1
  const chunks: Buffer[] = []
  incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
  // A broken connection shows as an incomplete answer.
  incoming.on('error', () => {})
  await new Promise((resolve) => incoming.once('close', resolve))
  const bytes = Buffer.concat(chunks)
  const text = bytes.toString()
  return {
    status: incoming.statusCode ?? 0,
    headers: incoming.headers as Record<string, string | undefined>,
    all: (name) => incoming.headersDistinct[name] ?? [],
    bytes,
    text,
    json: () => JSON.parse(text),
    complete: incoming.complete,
    connection,
  }
}
