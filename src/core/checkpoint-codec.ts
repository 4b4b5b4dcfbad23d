// How a checkpoint is written into its history: a versioned envelope around JSON, with a checksum of it.
import { InvalidArgumentError, StoreCorruptError } from './errors.ts'

/** What is written of a checkpoint. */
export interface StoredCheckpoint {
  readonly state: unknown
  /** When it was saved, in milliseconds since the epoch, as its worker says. */
  readonly timestamp: number
  readonly progress?: number | undefined
  /** The version of the state's form. */
  readonly schema?: number | undefined
}

/** A checkpoint as text, and how large that is in bytes. */
export interface EncodedCheckpoint {
  readonly text: string
  readonly size: number
}

// The header has a fixed form, so that the checksum is of the very text that was written.
const ENVELOPE = /^\{"v":1,"crc":"([0-9a-f]{8})","body":(.*)\}$/s

/**
 * Writes a checkpoint.
 *
 * @throws InvalidArgumentError when its state is not JSON, or it is larger than `limit` bytes
 */
export function encodeCheckpoint(
  checkpoint: StoredCheckpoint,
  taskId: string,
  limit: number,
): EncodedCheckpoint {
  let body: string
  try {
    body = JSON.stringify(checkpoint)
  } catch (cause) {
    throw new InvalidArgumentError(
      `Expected the state of '${taskId}' to be JSON, and it cannot be written as such`,
      { key: taskId, cause },
    )
  }
  const bytes = new TextEncoder().encode(body)
  if (bytes.length > limit) {
    throw new InvalidArgumentError(
      `Expected the checkpoint of '${taskId}' to have ${limit} bytes at most, got ${bytes.length}`,
      { key: taskId },
    )
  }
  return { text: `{"v":1,"crc":"${checksum(bytes)}","body":${body}}`, size: bytes.length }
}

/**
 * Reads a checkpoint back.
 *
 * @throws StoreCorruptError when it is not what was written
 */
export function decodeCheckpoint(text: string, taskId: string): StoredCheckpoint {
  const [, crc, body = ''] = ENVELOPE.exec(text) ?? []
  if (crc === undefined) throw corrupt(taskId, 'it is not one that this version wrote')
  const found = checksum(new TextEncoder().encode(body))
  if (found !== crc) throw corrupt(taskId, `its checksum is ${found} and should be ${crc}`)
  return JSON.parse(body) as StoredCheckpoint
}

function corrupt(taskId: string, why: string): StoreCorruptError {
  return new StoreCorruptError(
    `A checkpoint of '${taskId}' cannot be read: ${why}; it was left as it is`,
    { key: taskId },
  )
}

/** CRC-32 as in ISO 3309, the polynomial reflected. */
function checksum(bytes: Uint8Array): string {
  let crc = 0xffffffff
  for (const byte of bytes) crc = (crc >>> 8) ^ (TABLE[(crc ^ byte) & 0xff] ?? 0)
  return ((crc ^ 0xffffffff) >>> 0).toString(16).padStart(8, '0')
}

const TABLE = Uint32Array.from({ length: 256 }, (_none, index) => {
  let crc = index
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  return crc
})
