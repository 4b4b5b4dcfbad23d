// A guarded response of Node is still one to its handler: its calls, callbacks and properties are what Node says.

import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import express, { type Request, type RequestHandler, type Response } from 'express'
import { afterEach, expect, test } from 'vitest'
import { MemoryAdapter } from '../../src/index.ts'
import { idempotency, requestScope, timeout } from '../../src/middleware/express/index.ts'
import { deferred } from '../support/deferred.ts'
import { type Answered, Client } from './conformance/client.ts'

let server: Server | undefined
let client: Client | undefined
afterEach(() => {
  client?.[Symbol.dispose]()
  server?.closeAllConnections()
  server?.close()
})

/** Answers one POST by `handler`, behind a guard that keeps the answer. */
async function answerBy(
  handler: (res: Response, req: Request) => void,
  ...guards: RequestHandler[]
): Promise<Answered> {
  const app = express()
  app.use(requestScope({ provider: new MemoryAdapter() }), idempotency(), ...guards)
  app.post('/', (req, res) => handler(res, req))
  server = createServer(app).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  client = new Client(port)
  return client.post('/', { key: 'k' })
}

/** The answer, and that of a retry. */
async function answersBy(handler: (res: Response) => void): Promise<Answered[]> {
  const first = await answerBy(handler)
  return [first, (await client?.post('/', { key: 'k' })) as Answered]
}

test('text is written in the encoding that is said, the first time and on a retry', async () => {
  const answers = await answersBy((res) => {
    res.write('ff00', 'hex')
    res.write('ÿ', 'latin1')
    res.end('AAE=', 'base64')
  })
  for (const { bytes } of answers) expect([...bytes]).toEqual([0xff, 0, 0xff, 0, 1])
})

test('the callbacks of write and end are called, in order', async () => {
  const order: string[] = []
  const ended = deferred()
  await answerBy((res) => {
    res.write('a', () => order.push('first'))
    res.write('b', 'utf8', () => order.push('second'))
    res.end('c', () => {
      order.push('end')
      ended.resolve()
    })
  })
  await ended.promise
  expect(order).toEqual(['first', 'second', 'end'])
})

test('a writer that waits for each callback before it goes on is called back, and may use its buffer again', async () => {
  const answers = await answersBy(async (res) => {
    res.setHeader('Content-Length', 4)
    const buffer = Buffer.alloc(2)
    for (const piece of ['on', 'ce']) {
      buffer.write(piece)
      await new Promise((written) => res.write(buffer, written))
    }
    res.end()
  })
  expect(answers.map(({ text }) => text)).toEqual(['once', 'once'])
})

test('what is no chunk is refused at once, and the handler may answer anew', async () => {
  const refused: unknown[] = []
  const answer = await answerBy((res) => {
    for (const call of [
      () => res.write({}),
      () => res.write(null),
      () => res.end(42),
      () => res.end('text', 'no encoding' as 'utf8'),
    ]) {
      expect(() => call()).toThrow(expect.objectContaining({ code: expect.any(String) }))
      refused.push(res.headersSent)
    }
    res.status(500).json('refused')
  })
  expect(refused).toEqual([false, false, false, false])
  expect([answer.status, answer.json()]).toEqual([500, 'refused'])
})

test('an end with nothing in it is an end', async () => {
  for (const { text } of await answersBy((res) => res.end(false))) expect(text).toBe('')
})

test('a status that there is not is refused at once, and the handler may answer anew', async () => {
  const answer = await answerBy((res) => {
    res.statusCode = 42
    expect(() => res.end('never')).toThrow(RangeError)
    res.status(500).json('refused')
  })
  expect([answer.status, answer.json()]).toEqual([500, 'refused'])
})

test('what Node refuses of a held answer only when it leaves breaks that off', async () => {
  const answering = answerBy((res) => {
    res.strictContentLength = true
    res.setHeader('Content-Length', 3)
    res.end('four')
  })
  await expect(answering).rejects.toThrow('socket hang up')
})

test('end takes a callback alone, and a second end changes nothing', async () => {
  const ended = [deferred(), deferred()] as const
  const finished: boolean[] = []
  const [first, again] = await answersBy((res) => {
    res.write('once')
    for (const { resolve } of ended) {
      const end = (): void => {
        finished.push(res.writableFinished)
        resolve()
      }
      expect(res.end(end)).toBe(res)
    }
  })
  await Promise.all(ended.map(({ promise }) => promise))
  expect([first?.text, again?.text]).toEqual(['once', 'once'])
  expect(finished.slice(0, 2)).toEqual([true, true])
})

test('what comes behind the end is refused, with the codes of Node', async () => {
  const refused: unknown[] = []
  const note = (error?: unknown): void => void refused.push((error as { code: unknown }).code)
  const all = deferred()
  const answer = await answerBy((res) => {
    res.end('done')
    expect(res.write('more', note)).toBe(false)
    expect(res.end('more', 'utf8', note)).toBe(res)
    res.once('close', () => {
      expect(res.write('more', note)).toBe(false)
      res.end(note)
      setImmediate(all.resolve)
    })
  })
  await all.promise
  expect(answer.text).toBe('done')
  expect(refused).toEqual([
    'ERR_STREAM_WRITE_AFTER_END',
    'ERR_STREAM_WRITE_AFTER_END',
    'ERR_STREAM_ALREADY_FINISHED',
    'ERR_STREAM_WRITE_AFTER_END',
  ])
})

test.each([
  ['its response', (res: Response) => void res.destroy()],
  ['its connection', (res: Response) => void res.req.socket.destroy()],
])(
  'a handler that destroys %s behind its end has answered all the same',
  async (_what, destroy) => {
    const answer = await answerBy((res) => {
      res.write('do')
      res.end('ne')
      destroy(res)
      expect(res.destroyed || res.req.socket.destroyed).toBe(true)
    })
    expect([answer.text, answer.complete]).toEqual(['done', true])
  },
)

test('an answer that was thrown away takes nothing more', async () => {
  const refused = deferred<unknown>()
  const answering = answerBy((res) => {
    res.destroy()
    expect(res.write('more', refused.resolve)).toBe(false)
  })
  await expect(answering).rejects.toThrow('socket hang up')
  expect(await refused.promise).toMatchObject({ code: 'ERR_STREAM_DESTROYED' })
})

test('it is ended from its end on, and finished when it has left', async () => {
  const seen: unknown[] = []
  const closed = deferred()
  await answerBy((res) => {
    const look = (): unknown => seen.push([res.writableEnded, res.writableFinished])
    look()
    res.end('done', look)
    look()
    res.once('close', closed.resolve)
  })
  await closed.promise
  expect(seen).toEqual([
    [false, false],
    [true, false],
    [true, true],
  ])
})

test('a handler whose client was answered for finds its response not ended, and ends it', async () => {
  const seen: unknown[] = []
  const ended = deferred()
  const answer = await answerBy((res) => {
    setTimeout(() => {
      seen.push(res.writableEnded)
      res.end('late', ended.resolve)
      seen.push(res.writableEnded)
    }, 50)
  }, timeout(20))
  await ended.promise
  expect([answer.status, seen]).toEqual([504, [false, true]])
})

test('the head is fixed by the first write and by the end', async () => {
  const seen: unknown[] = []
  await answerBy((res) => {
    seen.push(res.headersSent)
    res.write('a')
    seen.push(res.headersSent)
    expect(() => res.setHeader('X-Late', 'yes')).toThrow(/headers/i)
    expect(() => res.writeHead(500)).toThrow(/headers/i)
    res.end()
  })
  expect(seen).toEqual([false, true])
})

test('a status message and headers of writeHead are kept', async () => {
  const [first, again] = await answersBy((res) => {
    res.setHeader('Location', '/old')
    res.setHeader('X-Kept', 'no')
    res.writeHead(201, 'Made', { Location: '/new', ETag: '"1"' }).end('made')
  })
  for (const answer of [first, again]) {
    expect([answer?.status, answer?.headers.location, answer?.headers.etag, answer?.text]).toEqual([
      201,
      '/new',
      '"1"',
      'made',
    ])
  }
})

test('a flat list of headers may hold lists of values', async () => {
  for (const answer of await answersBy((res) => {
    res.setHeader('X-Kept', 'no')
    res.writeHead(200, ['Link', ['</a>', '</b>'], 'Vary', 'Accept']).end('made')
  })) {
    expect([answer.all('link').join(', '), answer.headers.vary]).toEqual(['</a>, </b>', 'Accept'])
  }
})

test('headers that are flushed leave at once', async () => {
  const flushed = deferred()
  const answering = answerBy((res) => {
    res.status(202).flushHeaders()
    flushed.resolve()
    setTimeout(() => res.end('later'), 50)
  })
  await flushed.promise
  const answer = await answering
  expect([answer.status, answer.text]).toEqual([202, 'later'])
})

test('a writer hears when a slow client has caught up', async () => {
  const drained = deferred()
  const answer = await answerBy((res) => {
    // The first write is held for the length of a turn; what follows is under back-pressure.
    res.write('x')
    setImmediate(() =>
      setImmediate(() => {
        const chunk = Buffer.alloc(8 * 1024 * 1024)
        if (res.write(chunk)) drained.resolve()
        else res.once('drain', drained.resolve)
        void drained.promise.then(() => res.end())
      }),
    )
  })
  expect(answer.bytes.length).toBe(8 * 1024 * 1024 + 1)
})

test('a writer hears at once that what it wrote was too much to be held', async () => {
  const drained = deferred()
  const answer = await answerBy((res) => {
    expect(res.write(Buffer.alloc(8 * 1024 * 1024))).toBe(false)
    res.once('drain', () => {
      drained.resolve()
      res.end()
    })
  })
  await drained.promise
  expect(answer.bytes.length).toBe(8 * 1024 * 1024)
})

test('an interim response passes', async () => {
  const answer = await answerBy((res) => {
    res.writeEarlyHints({ link: '</a.css>; rel=preload' })
    res.json('done')
  })
  expect(answer.json()).toBe('done')
})
