// One connection through the TCP proxy: two sockets, and what the mode keeps back between them.

import { connect, type Socket } from 'node:net'

export type ProxyMode =
  | { readonly name: 'pass' | 'cut' }
  | { readonly name: 'hold'; readonly onResume: 'deliver' | 'drop' }
  | { readonly name: 'delay'; readonly ms: number }

export interface ProxyLink {
  /**
   * Ends the silence: what was kept goes on its way or, with 'drop', is gone, and the connection with it: no network
   * takes bytes out of the middle of one that goes on.
   */
  resume(kept: 'deliver' | 'drop'): void
  destroy(): void
}

/** A happening on one socket that the other has not seen yet. */
type Event = Buffer | 'end' | 'destroy'

export function proxyLink(
  client: Socket,
  target: { readonly host?: string; readonly port: number },
  mode: () => ProxyMode,
): ProxyLink {
  let server: Socket | undefined
  const toServer = lane(() => server, mode)
  const toClient = lane(() => client, mode)

  const listen = (from: Socket, to: Lane) => {
    from.setNoDelay(true)
    from.on('data', (chunk) => to.send(chunk))
    from.on('end', () => to.send('end'))
    from.on('error', () => {}) // its 'close' follows and says the same
    from.on('close', (failed) => failed && to.send('destroy'))
  }
  const open = () => {
    server ??= connect({ host: target.host ?? '127.0.0.1', port: target.port, allowHalfOpen: true })
    listen(server, toClient)
    toServer.flush()
  }
  listen(client, toServer)
  const destroy = () => {
    client.destroy()
    server?.destroy()
    toServer.stop()
    toClient.stop()
  }
  // A target behind a silent network does not see the connection at all until it resumes.
  if (mode().name !== 'hold') open()

  return {
    resume: (kept) => {
      if (kept === 'drop' && (toServer.hasBytes || toClient.hasBytes)) return destroy()
      if (!server) open()
      toServer.flush()
      toClient.flush()
    },
    destroy,
  }
}

interface Lane {
  send(event: Event): void
  flush(): void
  readonly hasBytes: boolean
  stop(): void
}

/** One direction: forwards events in the order in which they came, whatever the mode was then. */
function lane(to: () => Socket | undefined, mode: () => ProxyMode): Lane {
  let queue: { readonly event: Event; readonly due: number }[] = []
  let timer: NodeJS.Timeout | undefined

  const forward = (event: Event, socket: Socket) => {
    if (event === 'destroy') socket.destroy()
    else if (event === 'end') socket.end()
    else if (socket.writable) socket.write(event)
  }
  const flush = () => {
    clearTimeout(timer)
    const socket = to()
    if (!socket || mode().name === 'hold') return
    for (let next = queue[0]; next; next = queue[0]) {
      const wait = next.due - performance.now()
      if (wait > 0) {
        timer = setTimeout(flush, Math.ceil(wait))
        return
      }
      queue.shift()
      forward(next.event, socket)
    }
  }
  return {
    send: (event) => {
      const now = mode()
      queue.push({ event, due: performance.now() + (now.name === 'delay' ? now.ms : 0) })
      flush()
    },
    flush,
    get hasBytes() {
      return queue.some(({ event }) => typeof event !== 'string')
    },
    stop: () => {
      clearTimeout(timer)
      queue = []
    },
  }
}
