// The user's client, and duplicates of it that have no patience of their own and keep no process alive.
import type { Cluster, ClusterOptions, Redis, RedisOptions } from 'ioredis'

const SENTINEL_PAUSE = 50

/** The user's client: a single node, Sentinel, or a Cluster. */
export type RedisClient = Redis | Cluster

/** What a duplicate needs to know. */
export interface DuplicateOptions {
  /** Shown by `CLIENT LIST`. */
  readonly name: string
  /** The longest that opening, or an answer, may take, in milliseconds. */
  readonly deadline: number
}

/** Whether a client is a Cluster. */
export function isCluster(client: RedisClient): client is Cluster {
  return client.isCluster === true
}

/** A client of the same servers that is not connected yet. */
export function duplicate(client: RedisClient, options: DuplicateOptions): RedisClient {
  const own = nodeOptions(options)
  if (!isCluster(client)) {
    const single = client.duplicate({
      ...own,
      enableOfflineQueue: false,
      retryStrategy: () => null,
    })
    return unrefd(single)
  }
  const clusterOptions: Partial<ClusterOptions> = {
    lazyConnect: true,
    // A node is connected to when it is first asked: what is asked meanwhile waits for that, and no longer.
    enableOfflineQueue: true,
    keyPrefix: '',
    scaleReads: 'master',
    enableAutoPipelining: false,
    scripts: undefined,
    himportFieldsets: undefined,
    shardedSubscribers: false,
    clusterRetryStrategy: () => null,
    clusterNodeRetryStrategy: null,
    // Its health is told by each node's answers; the check would ask one node, which may be the one that is silent.
    enableReadyCheck: false,
    // A node that is silent must leave time to ask another where the slots are.
    slotsRefreshTimeout: Math.ceil(options.deadline / 4),
    // A timer for this would keep the process alive.
    slotsRefreshInterval: 0,
    maxRedirections: 16,
    retryDelayOnMoved: 0,
    // What is tried again, and when, is the adapter's to say.
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    retryDelayOnTryAgain: 50,
  }
  // One node may fall silent while the others answer.
  const redisOptions = { ...client.options.redisOptions, ...own, socketTimeout: options.deadline }
  // The cluster may have moved on from the nodes that the user once named.
  const known = client.nodes().map(({ options: { host, port, username, password, tls } }) => {
    return { host, port, username, password, tls }
  })
  // By its types the client takes no option that is undefined.
  const [nodes, all] = [known, { ...clusterOptions, redisOptions }] as Parameters<
    typeof client.duplicate
  >
  const duplicated = client.duplicate(nodes, all)
  // Nodes come and go, each with a connection of its own.
  return duplicated.on('+node', unrefd)
}

/** The nodes that a client knows; those that hold all data between them, or all. */
export function nodesOf(client: RedisClient, role: 'master' | 'all'): readonly Redis[] {
  return isCluster(client) ? client.nodes(role) : [client]
}

const followers = new WeakMap<RedisClient, Set<() => void>>()

/** Tells when a client has ended, by one listener however many follow it; answers how to stop. */
export function followEnd(client: RedisClient, ended: () => void): () => void {
  let following = followers.get(client)
  if (!following) {
    const all = new Set<() => void>()
    followers.set(client, all)
    client.on('end', () => {
      for (const tell of [...all]) tell()
    })
    following = all
  }
  following.add(ended)
  return () => void following.delete(ended)
}

/**
 * How each connection to a node behaves: whatever the user's client waits for, tries again or makes of an answer is not
 * inherited. Where the servers are, how to log in and which sockets to use is.
 */
function nodeOptions({ name, deadline }: DuplicateOptions) {
  return {
    connectionName: name,

    // How long to wait. What falls silent is noticed by the adapter, once for all commands: an error of the client's own
    // about a late answer would pass for a sign of life.
    lazyConnect: true,
    connectTimeout: deadline,
    commandTimeout: undefined,
    socketTimeout: undefined,
    blockingTimeout: undefined,
    // A connection that is dropped is silent: there is no good-bye to wait for.
    disconnectTimeout: 1,
    // A Sentinel that is silent must leave time to ask another.
    sentinelCommandTimeout: Math.ceil(deadline / 4),
    sentinelRetryStrategy: () => SENTINEL_PAUSE,

    // What to try again, which is the adapter's to say.
    maxRetriesPerRequest: 0,
    reconnectOnError: null,
    autoResubscribe: false,
    autoResendUnfulfilledCommands: false,

    // Who is asked, and what the answers look like.
    role: 'master',
    readOnly: false,
    monitor: false,
    stringNumbers: false,
    replyMapping: 'legacy',

    // How commands are sent. Prefixes are applied by the adapter, to keys and channels alike; it lets commands leave
    // together by itself, where automatic pipelines would wait for each other; a script of the user's could hide a
    // command that has its name.
    keyPrefix: '',
    enableAutoPipelining: false,
    scripts: undefined,
    himportFieldsets: undefined,
  } as const satisfies Partial<RedisOptions>
}

/** An idle connection must not keep the process alive; a call that waits for an answer does that by a timer. */
function unrefd(node: Redis): Redis {
  return node.on('connect', () => {
    const { stream } = node as unknown as { stream?: { unref?: () => void } }
    stream?.unref?.()
  })
}
