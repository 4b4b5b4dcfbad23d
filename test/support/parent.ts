// The other end of `child.ts`: what a child program uses to talk with the test that started it.

import type { ChildMessage } from './child.ts'

/** The `argument` given to `startChild`. */
export function argument<T>(): T {
  return JSON.parse(process.argv[2] ?? 'null') as T
}

/** Sends a message to the test, where `child.next(type)` takes it. */
export function tell(type: string, fields: Readonly<Record<string, unknown>> = {}): void {
  process.send?.({ ...fields, type })
}

/** The next message of this type from the test; keeps the process alive only while it waits. */
export function hear<T extends ChildMessage = ChildMessage>(type: string): Promise<T> {
  waiting += 1
  process.channel?.ref()
  return new Promise((resolve) => {
    const take = () => {
      const at = inbox.findIndex((message) => message.type === type)
      if (at < 0) return
      takers.delete(take)
      waiting -= 1
      if (waiting === 0) process.channel?.unref()
      resolve(inbox.splice(at, 1)[0] as T)
    }
    takers.add(take)
    take()
  })
}

let waiting = 0
const inbox: ChildMessage[] = []
const takers = new Set<() => void>()
process.on('message', (message) => {
  inbox.push(message as ChildMessage)
  for (const take of takers) take()
})
// Whether a process ends by itself is something that tests ask: listening must not be what keeps it.
process.channel?.unref()
