// Loads an HTTP server over keep-alive connections, with little work of its own.

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

const BODY = JSON.stringify({ orderId: 'o1', amount: 10 })

/** A POST of an order, under an idempotency key. */
export function order(port: number, key: string): string {
  return [
    'POST /orders HTTP/1.1',
    `Host: 127.0.0.1:${port}`,
    'Content-Type: application/json',
    `Idempotency-Key: ${key}`,
    `Content-Length: ${BODY.length}`,
    '',
    BODY,
  ].join('\r\n')
}

/** Requests answered with 201 in a second, on so many connections; any other answer is an error. */
export async function requestsPerSecond(
  port: number,
  connections: number,
  ms: number,
  request: () => string,
): Promise<number> {
  const sockets = await Promise.all(
    Array.from({ length: connections }, async () => {
      const socket = connect(port, '127.0.0.1').setNoDelay().setEncoding('latin1')
      await once(socket, 'connect')
      return socket
    }),
  )
  try {
    const started = performance.now()
    const until = started + ms
    const answered = await Promise.all(sockets.map((socket) => exchange(socket, until, request)))
    const all = answered.reduce((sum, each) => sum + each, 0)
    return (all * 1_000) / (performance.now() - started)
  } finally {
    for (const socket of sockets) socket.destroy()
  }
}

/** One request after the other until a moment; resolves with how many were answered. */
function exchange(socket: Socket, until: number, request: () => string): Promise<number> {
  return new Promise((resolve, reject) => {
    let answered = 0
    let text = ''
    socket.on('data', (chunk: string) => {
      text += chunk
      if (!isComplete(text)) return
      if (!text.startsWith('HTTP/1.1 201 ')) {
        reject(new Error(`Expected an answer with 201, got\n${text}`))
        return
      }
      text = ''
      answered++
      if (performance.now() < until) socket.write(request())
      else resolve(answered)
    })
    socket.on('error', reject)
    socket.on('close', () => reject(new Error(`The connection was closed after\n${text}`)))
    socket.write(request())
  })
}

function isComplete(text: string): boolean {
  const head = text.indexOf('\r\n\r\n')
  if (head < 0) return false
  const length = /^content-length: *(\d+)/im.exec(text.slice(0, head))?.[1]
  return length === undefined ? text.endsWith('0\r\n\r\n') : text.length >= head + 4 + +length
}
