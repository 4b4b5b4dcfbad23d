// Each way to answer, by the calls that Express and Node have for it.

import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Response } from 'express'
import type { Reply } from './reply.ts'

/** Answers; rejects with what the answer's own source throws. */
export async function reply(res: Response, answer: Reply): Promise<void> {
  const { status = 200, headers = [] } = answer
  if (answer.as === 'head') {
    res.writeHead(status, headersAs(answer.form, headers) as Record<string, string>)
    res.end(answer.text)
    return
  }
  res.status(status)
  for (const [name, value] of headers) res.append(name, value)
  switch (answer.as) {
    case 'json':
      res.json(answer.value)
      return
    case 'text':
      res.type('text').send(answer.text)
      return
    case 'bytes':
      res.send(Buffer.from(answer.bytes))
      return
    case 'end':
      res.end(answer.text)
      return
    case 'empty':
      res.end()
      return
    case 'redirect':
      res.redirect(status, answer.to)
      return
    case 'pieces':
      for (const piece of answer.pieces) res.write(piece)
      res.end()
      return
    case 'stream':
      if (answer.length !== undefined) res.setHeader('Content-Length', answer.length)
      for await (const chunk of answer.chunks()) res.write(chunk)
      res.end()
      return
    case 'piped':
      await pipeline(Readable.from(answer.chunks()), res)
      return
    case 'events':
      res.writeHead(status, { 'Content-Type': 'text/event-stream' })
      for await (const chunk of answer.chunks()) res.write(`data: ${chunk}\n\n`)
      res.end()
      return
    case 'file':
      await new Promise<void>((resolve, reject) => {
        res.sendFile(answer.path, (error) => (error ? reject(error) : resolve()))
      })
      return
    case 'broken-off':
      res.destroy()
      return
  }
}

function headersAs(form: 'object' | 'pairs' | 'flat', headers: Reply['headers'] = []): unknown {
  if (form === 'pairs') return headers
  if (form === 'flat') return headers.flat()
  const lists = new Map<string, string[]>()
  for (const [name, value] of headers) lists.set(name, [...(lists.get(name) ?? []), value])
  return Object.fromEntries(lists)
}
