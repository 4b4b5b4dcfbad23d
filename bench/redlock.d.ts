// The types of redlock 5, which its package has and does not export.

declare module 'redlock' {
  import type { Redis } from 'ioredis'

  export default class Redlock {
    constructor(
      clients: Iterable<Redis>,
      settings?: { retryCount?: number; retryDelay?: number; retryJitter?: number },
    )
    acquire(keys: string[], duration: number): Promise<{ release(): Promise<unknown> }>
  }
}
