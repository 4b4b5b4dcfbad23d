// The identity of one attempt: random, because processes, machines and lock objects all make them.

const BYTES = 15

// Random bytes are drawn for many ids at once: one call to the generator costs more than an id.
const pool = new Uint8Array(BYTES * 256)
let used = pool.length

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** 120 random bits as 20 characters of the base64url alphabet. */
export function attemptId(): string {
  if (used === pool.length) {
    crypto.getRandomValues(pool)
    used = 0
  }
  let id = ''
  for (const end = used + BYTES; used < end; used += 3) {
    const bits = (byte(used) << 16) | (byte(used + 1) << 8) | byte(used + 2)
    id += letter(bits >> 18) + letter(bits >> 12) + letter(bits >> 6) + letter(bits)
  }
  return id
}

function byte(at: number): number {
  return pool[at] ?? 0
}

function letter(bits: number): string {
  return ALPHABET.charAt(bits & 63)
}
