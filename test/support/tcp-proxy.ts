// A TCP proxy that can go silent, slow or away, to make the network in front of a server fail on purpose.

import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { type ProxyLink, type ProxyMode, proxyLink } from './tcp-proxy-link.ts'

export interface TcpProxyOptions {
  readonly port: number
  /** @defaultValue '127.0.0.1' */
  readonly host?: string
}

export interface TcpProxy extends AsyncDisposable {
  readonly host: string
  readonly port: number
  /** What `url` (of the target) is behind the proxy: the same with this host and port. */
  through(url: string): string
  readonly mode: ProxyMode['name']
  /** Connections open now. */
  readonly open: number
  /** Connections accepted since the start. */
  readonly accepted: number
  /** Forwards everything; what a `hold` kept is delivered in order, or lost with its connection if it said so. */
  pass(): Promise<void>
  /**
   * Keeps connections open and says nothing in either direction, as a network that loses every
   * packet does; new connections are accepted and get no answer.
   */
  hold(options?: { readonly onResume?: 'deliver' | 'drop' }): Promise<void>
  /** Destroys the connections and refuses new ones. */
  cut(): Promise<void>
  /** Forwards everything `ms` later, in each direction. */
  delay(ms: number): Promise<void>
}

/** Starts a proxy in front of `target` on a free port, in the mode `pass`. */
export async function startTcpProxy(target: TcpProxyOptions): Promise<TcpProxy> {
  const host = '127.0.0.1'
  const links = new Set<ProxyLink>()
  let mode: ProxyMode = { name: 'pass' }
  let accepted = 0
  // Half-open, so that the end of one direction is forwarded and does not end the other.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    accepted += 1
    const link = proxyLink(socket, target, () => mode)
    links.add(link)
    socket.once('close', () => links.delete(link))
  })
  const listen = async (port: number): Promise<void> => {
    if (server.listening) return
    server.listen(port, host)
    await once(server, 'listening')
  }
  const close = async (): Promise<void> => {
    const closed = server.listening ? once(server, 'close') : undefined
    server.close()
    for (const link of links) link.destroy()
    await closed
  }
  const enter = async (next: ProxyMode): Promise<void> => {
    const previous = mode
    mode = next
    await listen(port)
    if (previous.name !== 'hold' || next.name === 'hold') return
    for (const link of links) link.resume(previous.onResume)
  }

  await listen(0)
  const { port } = server.address() as AddressInfo
  return {
    host,
    port,
    through: (url) => {
      const moved = new URL(url)
      moved.hostname = host
      moved.port = `${port}`
      return moved.href
    },
    get mode() {
      return mode.name
    },
    get open() {
      return links.size
    },
    get accepted() {
      return accepted
    },
    pass: () => enter({ name: 'pass' }),
    hold: ({ onResume = 'deliver' } = {}) => enter({ name: 'hold', onResume }),
    delay: (ms) => enter({ name: 'delay', ms }),
    cut: async () => {
      mode = { name: 'cut' }
      await close()
    },
    [Symbol.asyncDispose]: close,
  }
}
