// Each way to answer, by the calls that Hono and the Fetch API have for it.

import { createReadStream, statSync } from 'node:fs'
import { Readable } from 'node:stream'
import type { Context } from 'hono'
import { streamSSE } from 'hono/streaming'
import type { Reply } from './reply.ts'

type HeadersInit = NonNullable<ConstructorParameters<typeof Headers>[0]>

/** The response of an answer. */
export async function reply(c: Context, answer: Reply): Promise<Response> {
  const { status = 200, headers = [] } = answer
  if (answer.as === 'head')
    return new Response(answer.text, { status, headers: headersAs(answer.form, headers) })
  c.status(status as 200)
  for (const [name, value] of headers) c.header(name, value, { append: true })
  switch (answer.as) {
    case 'json':
      return c.json(answer.value)
    case 'text':
      return c.text(answer.text)
    case 'bytes':
      return c.body(answer.bytes as Uint8Array<ArrayBuffer>)
    case 'end':
      return new Response(answer.text, { status, headers: headersAs('pairs', headers) })
    case 'empty':
      return c.body(null)
    case 'redirect':
      return c.redirect(answer.to, status as 302)
    case 'pieces':
      return c.body(piecesOf(answer.pieces))
    case 'stream':
      if (answer.length !== undefined) c.header('content-length', String(answer.length))
      return c.body(bodyOf(answer.chunks()))
    case 'piped':
      return c.body(Readable.toWeb(Readable.from(answer.chunks())) as ReadableStream)
    case 'events':
      return streamSSE(c, async (out) => {
        for await (const data of answer.chunks()) await out.writeSSE({ data })
      })
    case 'file':
      c.header('content-length', String(statSync(answer.path).size))
      return c.body(Readable.toWeb(createReadStream(answer.path)) as ReadableStream)
    case 'broken-off':
      return c.body(
        new ReadableStream({
          pull: (controller) => controller.error(new Error('The answer was thrown away')),
        }),
      )
  }
}

function piecesOf(pieces: readonly string[]): ReadableStream {
  return new ReadableStream({
    start: (controller) => {
      for (const piece of pieces) controller.enqueue(new TextEncoder().encode(piece))
      controller.close()
    },
  })
}

function bodyOf(chunks: AsyncIterable<string>): ReadableStream {
  const source = chunks[Symbol.asyncIterator]()
  return new ReadableStream({
    pull: async (controller) => {
      const { done, value } = await source.next()
      if (done) controller.close()
      else controller.enqueue(new TextEncoder().encode(value))
    },
    cancel: async () => {
      await source.return?.()
    },
  })
}

function headersAs(form: 'object' | 'pairs' | 'flat', headers: Reply['headers'] = []): HeadersInit {
  if (form === 'pairs') return headers.map(([name, value]): [string, string] => [name, value])
  const list = new Headers()
  for (const [name, value] of headers) list.append(name, value)
  // An object has each name once, with its values joined.
  return form === 'object' ? Object.fromEntries(list) : list
}
