// What the examples act upon: databases, cards and distant hosts, all answered by the test that runs them.

import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

/** Answers by what is asked: the name of a stand-in, or the URL that is fetched. A throw ends the connection. */
export type Answers = Readonly<
  // biome-ignore lint/suspicious/noExplicitAny: what an example asks with is its own affair.
  Record<string, (...details: any[]) => unknown>
>

export interface World extends AsyncDisposable {
  readonly url: string
  /** What was asked so far, in order. */
  readonly asked: readonly string[]
}

/** Starts one on a free port. */
export async function startWorld(answers: Answers): Promise<World> {
  const asked: string[] = []
  const server = createServer(async (request, response) => {
    const what = request.url?.slice(1) ?? ''
    asked.push(what)
    try {
      const details = JSON.parse((await text(request)) || '[]')
      const answer = answers[what]
      if (!answer) throw new Error(`Expected an answer to ${what}`)
      response.end(JSON.stringify((await answer(...details)) ?? null))
    } catch {
      response.destroy()
    }
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
