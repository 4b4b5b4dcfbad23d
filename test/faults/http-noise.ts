// Random connections to a service: good and bad requests, one behind the other, in pieces, and clients that leave anywhere.

import { connect, type Socket } from 'node:net'
import type { Random } from './random.ts'

/** What a handler is asked to do; the words are part of the body, and so of the fingerprint. */
export const WORKS = [
  'json',
  'json',
  'json',
  'pieces',
  'large',
  'empty',
  'not found',
  'slow',
  'late',
  'stream',
  'throw',
  'fail',
  'not now',
  'break off',
] as const

export type Work = (typeof WORKS)[number]

export const PATHS = ['/pay', '/protected', '/locked'] as const

/** A request that a service must understand. */
export interface Sound {
  readonly path: string
  readonly key: string
  readonly authorization: string
  readonly body: string
}

const KEYS = 60
/** Milliseconds within which every connection must have come to its end. */
const PATIENCE = 20_000
const TENANTS = ['', 'Bearer a', 'Bearer b']

/** A request that any client might send. */
function soundRequest(random: Random): Sound {
  const amount = random.below(2)
  // Few keys, so that many requests share one; what a key asks for is mostly the same.
  const key = random.below(KEYS)
  const work = random.chance(0.9) ? WORKS[key % WORKS.length] : random.pick(WORKS)
  return {
    path: random.pick(PATHS),
    key: `key-${key}`,
    authorization: random.pick(TENANTS),
    body: JSON.stringify({ work, amount: random.chance(0.9) ? 0 : amount }),
  }
}

/** The text of a request; `last` closes the connection. */
function textOf({ path, key, authorization, body }: Sound, last: boolean): string {
  return [
    `POST ${path} HTTP/1.1`,
    'Host: localhost',
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `Idempotency-Key: "${key}"`,
    ...(authorization ? [`Authorization: ${authorization}`] : []),
    ...(last ? ['Connection: close'] : []),
    '',
    body,
  ].join('\r\n')
}

/** A request that is odd in some way, and still comes to an end. */
function oddRequest(random: Random, last: boolean): string {
  const sound = soundRequest(random)
  const text = textOf(sound, last)
  const [head = '', body = ''] = text.split('\r\n\r\n')
  const lines = head.split('\r\n').filter((line) => !line.startsWith('Content-Length'))
  const replace = (name: string, ...by: string[]): void => {
    const at = lines.findIndex((line) => line.startsWith(name))
    lines.splice(at < 0 ? lines.length : at, at < 0 ? 0 : 1, ...by)
  }
  let sent = body
  for (const oddity of [0, 1].map(() => random.below(9))) {
    if (oddity === 0) replace('Idempotency-Key', `Idempotency-Key: ${noise(random, 30)}`)
    if (oddity === 1) replace('Idempotency-Key', 'Idempotency-Key: "a"', 'Idempotency-Key: "b"')
    if (oddity === 2)
      replace('Idempotency-Key', `Idempotency-Key: ${sound.key};v=${random.below(9)}`)
    if (oddity === 3) replace('Idempotency-Key')
    if (oddity === 4)
      replace('Content-Type', `Content-Type: ${random.pick(['text/plain', 'a', ''])}`)
    if (oddity === 5) sent = random.pick(['', '{', 'null', '[]', noise(random, 400)])
    if (oddity === 6) replace('X-Noise', `X-Noise: ${noise(random, 2_000)}`)
    if (oddity === 7)
      sent = JSON.stringify({ work: 'json', pad: 'x'.repeat(random.below(150_000)) })
    if (oddity === 8) {
      const method = random.pick(['GET', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND'])
      lines[0] = `${method} ${sound.path}?${random.below(3)} HTTP/1.1`
    }
  }
  if (random.chance(0.3)) {
    const size = Buffer.byteLength(sent, 'latin1')
    const chunked = size === 0 ? '0\r\n\r\n' : `${size.toString(16)}\r\n${sent}\r\n0\r\n\r\n`
    return [...lines, 'Transfer-Encoding: chunked', '', chunked].join('\r\n')
  }
  return [...lines, `Content-Length: ${Buffer.byteLength(sent, 'latin1')}`, '', sent].join('\r\n')
}

/** Characters that a header can carry. */
function noise(random: Random, most: number): string {
  return Array.from({ length: random.below(most) }, () =>
    String.fromCharCode(random.chance(0.9) ? 0x20 + random.below(0x5f) : 0x80 + random.below(0x80)),
  ).join('')
}

/** One connection, and how many requests it carried. */
export interface Noise {
  readonly requests: number
  /** The requests among them that a service must understand. */
  readonly sound: readonly Sound[]
  /** How many must have been answered: all, unless the client or a handler left, or a request was odd. */
  readonly due: number
  /** How many were. */
  readonly answered: number
  readonly text: string
}

/** Makes a connection, sends some requests over it, and stays or leaves. */
export async function makeNoise(port: number, random: Random): Promise<Noise> {
  const requests = 1 + random.below(4)
  const sound: Sound[] = []
  const text = Array.from({ length: requests }, (_, at) => {
    const last = at === requests - 1
    if (random.chance(0.3)) return oddRequest(random, last)
    const request = soundRequest(random)
    sound.push(request)
    return textOf(request, last)
  }).join('')
  const leavesAt = random.chance(0.3) ? random.below(text.length + 1) : undefined
  // Node forgets to close the connection of a pipelined answer that is thrown away before its turn.
  const breaks = requests > 1 && text.includes('break off')
  const lingers = breaks ? 200 : random.chance(0.2) ? random.below(30) : undefined
  const pieces = piecesOf(text.slice(0, leavesAt), random)

  const socket = connect(port, '127.0.0.1')
  let received = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    received += chunk
  })
  // A server that has refused a malformed request may reset the connection.
  socket.on('error', () => {})
  const closed = new Promise((resolve) => socket.once('close', resolve))
  for (const piece of pieces) {
    socket.write(piece, 'latin1')
    if (pieces.length > 1) await new Promise((resolve) => setImmediate(resolve))
  }
  const leaves = leavesAt !== undefined || lingers !== undefined
  if (leaves) await leave(socket, lingers)
  const late = new Promise<'late'>((resolve) => {
    const timer = setTimeout(() => resolve('late'), PATIENCE)
    void closed.then(() => clearTimeout(timer))
  })
  if ((await Promise.race([closed, late])) === 'late') {
    socket.destroy()
    throw new Error(
      `No end within ${PATIENCE} ms to ${JSON.stringify(text)}, but ${JSON.stringify(received)}`,
    )
  }
  const due = leaves || text.includes('break off') ? 0 : sound.length === requests ? requests : 1
  return {
    requests,
    sound,
    due,
    text,
    answered: received.split(/HTTP\/1\.1 (?!100)\d{3} /).length - 1,
  }
}

async function leave(socket: Socket, lingers: number | undefined): Promise<void> {
  if (lingers !== undefined) await new Promise((resolve) => setTimeout(resolve, lingers))
  socket.destroy()
}

function piecesOf(text: string, random: Random): string[] {
  const pieces: string[] = []
  for (let at = 0; at < text.length; ) {
    const size = random.chance(0.7) ? text.length : 1 + random.below(text.length)
    pieces.push(text.slice(at, at + size))
    at += size
  }
  return pieces
}
