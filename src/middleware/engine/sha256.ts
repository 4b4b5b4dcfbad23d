// SHA-256 by the fastest way that the runtime has.
import type { createHash } from 'node:crypto'

// Asked for and not imported, so that this loads where the built-in is missing.
const { process } = globalThis as {
  process?: {
    getBuiltinModule?: (id: string) => { readonly createHash: typeof createHash } | undefined
  }
}
const builtin = process?.getBuiltinModule?.('node:crypto')

/** The hash of some bytes; at once where that is possible, because WebCrypto's thread pool costs more than the hash of a request. */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  return builtin
    ? builtin.createHash('sha256').update(bytes).digest()
    : new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
}
