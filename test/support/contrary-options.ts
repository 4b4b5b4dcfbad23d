// Options of a user's client whose every patience and every reply is another than the adapter's.

import type { ClusterOptions, RedisOptions } from 'ioredis'

/** By its types a Cluster takes no reply mapping that may be undefined. */
type Options = RedisOptions & { readonly replyMapping: 'resp3' }

/** What a client may have been made with for ends of its own; nothing of it concerns the adapter. */
export const contraryOptions: Options = {
  lazyConnect: true,
  commandTimeout: 1,
  socketTimeout: 1,
  blockingTimeout: 1,
  connectTimeout: 1,
  disconnectTimeout: 60_000,
  maxRetriesPerRequest: null,
  retryStrategy: () => 60_000,
  reconnectOnError: () => 2,
  autoResendUnfulfilledCommands: true,
  enableOfflineQueue: true,
  enableReadyCheck: false,
  enableAutoPipelining: true,
  autoPipeliningIgnoredCommands: ['evalsha'],
  stringNumbers: true,
  replyMapping: 'resp3',
  keyPrefix: 'contract-of-another:',
  role: 'slave',
  readOnly: true,
  monitor: true,
  showFriendlyErrorStack: true,
  scripts: { evalsha: { lua: 'return 7', numberOfKeys: 0 }, publish: { lua: 'return 7' } },
}

/** The same of a Cluster. */
export const contraryClusterOptions: ClusterOptions & { readonly redisOptions: Options } = {
  lazyConnect: true,
  redisOptions: contraryOptions,
  clusterRetryStrategy: () => 60_000,
  clusterNodeRetryStrategy: () => 60_000,
  enableOfflineQueue: false,
  enableAutoPipelining: true,
  scaleReads: 'slave',
  slotsRefreshTimeout: 1,
  maxRedirections: 0,
  scripts: { evalsha: { lua: 'return 7', numberOfKeys: 0 } },
}
