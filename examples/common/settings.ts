// What the environment says about how the service should run.

export interface Settings {
  readonly port: number
  /** The address to listen on: this machine's own, unless it is said otherwise. */
  readonly host: string
  /** The Redis that processes share; without one, everything stays in this process. */
  readonly redisUrl: string | undefined
  /** Milliseconds after which a payment whose process died counts as ended. */
  readonly lease: number | undefined
  /** Whether a retry charges again when nobody knows whether the card was charged. */
  readonly takeover: boolean
  /** Whether a retry finds out instead. */
  readonly recovers: boolean
}

export function readSettings(env: NodeJS.ProcessEnv = process.env): Settings {
  return {
    port: Number(env.PORT || 3000),
    host: env.HOST || '127.0.0.1',
    redisUrl: env.REDIS_URL || undefined,
    lease: env.LEASE_MS ? Number(env.LEASE_MS) : undefined,
    takeover: env.TAKEOVER === '1',
    recovers: env.RECOVER === '1',
  }
}
