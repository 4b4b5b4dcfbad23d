// The other end of a connection, as each runtime that Hono runs on tells it.
import type { Context } from 'hono'

/** What the servers of Node, Bun and Deno hand to `app.fetch` beside the request. */
interface ServerBindings {
  readonly incoming?: { readonly socket?: { readonly remoteAddress?: string } }
  readonly server?: BunServer
  readonly requestIP?: BunServer['requestIP']
  readonly remoteAddr?: { readonly hostname?: string }
}

interface BunServer {
  requestIP?(request: Request): { readonly address: string } | null
}

/** The address of whoever is connected; undefined where the runtime does not tell, as those behind an edge do not. */
export function peerAddress(c: Context): string | undefined {
  const bindings = (c.env ?? {}) as ServerBindings
  if (bindings.incoming) return bindings.incoming.socket?.remoteAddress
  // Bun's server is handed over itself, or in an object.
  const bun = bindings.server ?? bindings
  if (typeof bun.requestIP === 'function') return bun.requestIP(c.req.raw)?.address
  return bindings.remoteAddr?.hostname
}
