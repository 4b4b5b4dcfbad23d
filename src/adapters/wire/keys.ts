// Key names: distinct names never collide, and nothing in one is special to a store.
import { createHash } from 'node:crypto'

const LONGEST = 200

/** A name as the part of a key between braces: nothing in it can end the tag. */
export function escapeName(name: string): string {
  const escaped = encodeRest(name, /[^A-Za-z0-9._:-]/gu)
  return Buffer.byteLength(escaped) <= LONGEST
    ? escaped
    : // Only a hash starts with a tilde: everywhere else it is encoded.
      `~${createHash('sha256').update(name).digest('base64url')}`
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
