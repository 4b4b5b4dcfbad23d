// Key names: distinct names never collide, and nothing in one is special to a store.
import { createHash } from 'node:crypto'

const LONGEST = 200
/** What stays readable of a long name, so that all names with a short prefix can be found. */
const READABLE = 100

/** A name as the part of a key between braces: nothing in it can end the tag. */
export function escapeName(name: string): string {
  const escaped = encodeRest(name, /[^A-Za-z0-9._:-]/gu)
  if (escaped.length <= LONGEST) return escaped
  // Only before a hash stands a tilde: everywhere else it is encoded.
  return `${escaped.slice(0, READABLE)}~${createHash('sha256').update(name).digest('base64url')}`
}

/** How all escaped names start that start with `prefix`, which is short. */
export function escapeStart(prefix: string): string {
  return escapeName(prefix).slice(0, READABLE)
}

/** A prefix as the start of a key: braces in it would be taken for the hash tag, and no text of PostgreSQL holds a NUL. */
export function escapePrefix(prefix: string): string {
  return encodeRest(prefix, /[{}%]|\p{Cc}/gu)
}

function encodeRest(text: string, rest: RegExp): string {
  return text.replace(rest, (character) =>
    Array.from(
      Buffer.from(character),
      (byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
    ).join(''),
  )
}
