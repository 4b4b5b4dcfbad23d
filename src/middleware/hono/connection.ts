// The connection of a request on the server of Node: its end is all that tells of an answer that was queued on it.
import type { Context } from 'hono'

/** What Hono's adapter for Node shows of a request. */
interface NodeBindings {
  readonly incoming?: {
    readonly socket?: Socket | null
    readonly complete: boolean
    /** Said of a stream of HTTP/2 that was reset, which counts as finished. */
    readonly aborted?: boolean
  }
  readonly outgoing?: { readonly closed: boolean; readonly writableFinished: boolean } & Emitter
}

interface Emitter {
  once(event: 'close', listener: () => void): unknown
}

type Socket = { readonly destroyed: boolean } & Emitter

/** One listener for each connection, however many requests it carries. */
const fans = new WeakMap<Socket, Set<() => void>>()

/**
 * Calls back when the connection of a request has gone; the function returned takes the callback back.
 *
 * Never on runtimes that show no connection: there the request's signal tells.
 */
export function onDisconnect(c: Context, callback: () => void): () => void {
  const socket = bindingsOf(c).incoming?.socket
  if (!isEmitter(socket)) return () => {}
  if (socket.destroyed) {
    callback()
    return () => {}
  }
  const fan = fans.get(socket) ?? fanOf(socket)
  fan.add(callback)
  return () => fan.delete(callback)
}

/** Resolves when the answer has left for good, or its connection has gone; at once where neither is shown. */
export async function answerGone(c: Context): Promise<void> {
  const { outgoing } = bindingsOf(c)
  if (!isEmitter(outgoing) || outgoing.closed) return
  let forget = (): void => {}
  await new Promise<void>((resolve) => {
    outgoing.once('close', resolve)
    // An answer that waits for its turn on a connection that goes is never told of it.
    forget = onDisconnect(c, resolve)
  })
  forget()
}

/** Calls back when the client has gone before the whole answer has left; false where that is not shown. */
export function onUnanswered(c: Context, callback: () => void): boolean {
  const { incoming, outgoing } = bindingsOf(c)
  if (!isEmitter(outgoing)) return false
  const look = (): void => {
    if (incoming?.aborted || !outgoing.writableFinished) callback()
  }
  if (outgoing.closed) {
    look()
    return true
  }
  const forget = onDisconnect(c, look)
  outgoing.once('close', () => {
    // The next request on the connection is another one's.
    forget()
    look()
  })
  return true
}

/** Whether the whole request has arrived, as far as is shown. */
export function hasArrived(c: Context): boolean {
  return bindingsOf(c).incoming?.complete ?? true
}

/** Other adapters put other things in these places. */
function isEmitter<E extends Emitter>(value: E | null | undefined): value is E {
  return typeof value?.once === 'function'
}

function bindingsOf(c: Context): NodeBindings {
  return (c.env ?? {}) as NodeBindings
}

function fanOf(socket: Socket): Set<() => void> {
  const fan = new Set<() => void>()
  fans.set(socket, fan)
  socket.once('close', () => {
    for (const callback of fan) callback()
  })
  return fan
}
