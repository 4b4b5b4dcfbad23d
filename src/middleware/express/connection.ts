// The connection of an answer that is held back: whoever breaks it off lets that answer leave first.
import type { Socket } from 'node:net'

const fans = new WeakMap<Socket, Set<() => void>>()

/**
 * Calls back before the connection is broken off from this side, as Express does when a handler fails that has answered:
 * without a guard, its answer has left by then. The function returned takes the callback back.
 */
export function beforeDestroy(socket: Socket | null, callback: () => void): () => void {
  // Stand-ins for a request have none.
  if (!socket) return () => {}
  const fan = fans.get(socket) ?? fanOf(socket)
  fan.add(callback)
  return () => fan.delete(callback)
}

/** One patch for each connection, however many answers it carries. */
function fanOf(socket: Socket): Set<() => void> {
  const fan = new Set<() => void>()
  fans.set(socket, fan)
  const { destroy } = socket
  socket.destroy = (error) => {
    // With an error the connection has broken already, and one that cannot be written takes nothing any more.
    if (!error && socket.writable) for (const callback of fan) callback()
    return destroy.call(socket, error)
  }
  return fan
}
