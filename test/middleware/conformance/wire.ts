// Requests written byte by byte, for what no HTTP client would send.

import { once } from 'node:events'
import { connect } from 'node:net'

/** Writes text to a fresh connection and reads until the server has closed it. */
export async function exchange(port: number, ...writes: readonly string[]): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  let received = ''
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    received += chunk
  })
  await once(socket, 'connect')
  for (const write of writes) socket.write(write, 'latin1')
  await once(socket, 'close')
  return received
}

export interface RequestLine {
  readonly method?: string
  readonly path?: string
  /** Whether the server closes the connection behind the answer. @defaultValue true */
  readonly close?: boolean
  readonly body?: string
}

/** A request as text; the header lines are sent as they are, several of one name included. */
export function requestText(
  { method = 'POST', path = '/', close = true, body = '' }: RequestLine,
  ...lines: readonly string[]
): string {
  return [
    `${method} ${path} HTTP/1.1`,
    'Host: localhost',
    ...(body === ''
      ? []
      : ['Content-Type: application/json', `Content-Length: ${Buffer.byteLength(body)}`]),
    ...lines,
    ...(close ? ['Connection: close'] : []),
    '',
    body,
  ].join('\r\n')
}

/** The answers in what a connection carried: status and body of each, bodies with a Content-Length only. */
export function parseAnswers(
  received: string,
): { readonly status: number; readonly body: string }[] {
  const answers = []
  for (let rest = received; rest !== ''; ) {
    const end = rest.indexOf('\r\n\r\n')
    const head = rest.slice(0, end)
    const status = Number(head.slice(9, 12))
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0)
    answers.push({ status, body: rest.slice(end + 4, end + 4 + length) })
    rest = rest.slice(end + 4 + length)
  }
  return answers
}
