// What the processes that share a cache tell each other.
import type { Notice } from './ports.ts'

/** A value was set or removed; or a load has ended, however it did. */
export type CacheNews = 'changed' | 'ended'

/** A notice, read. */
export interface CacheNotice {
  readonly news: CacheNews
  /** The key that it is about; undefined: any of them. */
  readonly key: string | undefined
}

const LONGEST = 1_000

/** Writes a notice; one about a key that is too long to be told is about all of them. */
export function writeNotice(channel: string, news: CacheNews, key?: string): Notice {
  const text = JSON.stringify([news, key])
  return { channel, text: text.length <= LONGEST ? text : JSON.stringify([news]) }
}

/** Reads a notice; one that is not understood says that anything may have changed. */
export function readNotice(text: string): CacheNotice {
  try {
    const [news, key] = JSON.parse(text) as readonly unknown[]
    if (news === 'ended' || news === 'changed') {
      return { news, key: typeof key === 'string' ? key : undefined }
    }
  } catch {
    // Told below: somebody of another version has written it.
  }
  return { news: 'changed', key: undefined }
}
