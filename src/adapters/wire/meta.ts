// What travels with a grant or record, as text.
import type { Meta } from '../../core/ports.ts'

/** Writes what travels; nothing is the empty text. */
export function packMeta({ traceparent, owner }: Meta): string {
  return traceparent === undefined && owner === undefined
    ? ''
    : JSON.stringify({ t: traceparent, o: owner })
}

/** Reads what travelled; what cannot be read is nothing, because it is only for show. */
export function unpackMeta(text: unknown): Meta {
  if (typeof text !== 'string' || text === '') return {}
  try {
    const { t, o } = JSON.parse(text) as { t?: unknown; o?: unknown }
    return {
      traceparent: typeof t === 'string' ? t : undefined,
      owner: typeof o === 'string' ? o : undefined,
    }
  } catch {
    return {}
  }
}
