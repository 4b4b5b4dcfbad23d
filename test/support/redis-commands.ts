// Lists the commands that clients sent while some work ran, as the Redis server saw them (MONITOR).

import { randomUUID } from 'node:crypto'
import { Redis } from 'ioredis'

export interface SeenCommand {
  /** In lower case, such as `evalsha`. */
  readonly name: string
  readonly args: readonly string[]
  /** The client's `host:port`: one per connection. */
  readonly addr: string
  /** What the client called itself (CLIENT SETNAME), else the empty string. */
  readonly client: string
}

export interface CommandFilter {
  readonly addr?: string
  readonly client?: string
  readonly where?: (command: SeenCommand) => boolean
}

/** The names of the commands sent during `work`, in order; filtered by connection if asked. */
export async function countCommands(
  url: string,
  work: () => Promise<unknown>,
  { addr, client, where = () => true }: CommandFilter = {},
): Promise<string[]> {
  const seen = await watchCommands(url, work)
  return seen
    .filter((command) => addr === undefined || command.addr === addr)
    .filter((command) => client === undefined || command.client === client)
    .filter(where)
    .map((command) => command.name)
}

/** The commands sent during `work` by anybody but the watcher; those that scripts call do not count. */
export async function watchCommands(
  url: string,
  work: () => Promise<unknown>,
): Promise<SeenCommand[]> {
  const own = new Redis(url)
  try {
    const names = await clientNames(own)
    const ownAddr = /\baddr=(\S+)/.exec(`${await own.client('INFO')}`)?.[1]
    const seen: Omit<SeenCommand, 'client'>[] = []
    const mark = randomUUID()
    const monitor = await own.monitor()
    try {
      const marked = new Promise<void>((resolve) => {
        monitor.on('monitor', (_time: string, args: string[], addr: string) => {
          if (args[1] === mark) return resolve()
          // A name that is set now names what follows, also for a client gone before the end.
          if (`${args[0]} ${args[1]}`.toLowerCase() === 'client setname')
            names.set(addr, args[2] ?? '')
          if (addr === 'lua' || addr === ownAddr) return
          seen.push({ name: (args[0] ?? '').toLowerCase(), args: args.slice(1), addr })
        })
      })
      await work()
      // MONITOR lags behind: everything before the mark has been reported once the mark is.
      await own.echo(mark)
      await marked
    } finally {
      monitor.disconnect()
    }
    for (const [addr, name] of await clientNames(own)) names.set(addr, name)
    return seen.map((command) => ({ ...command, client: names.get(command.addr) ?? '' }))
  } finally {
    own.disconnect()
  }
}

async function clientNames(redis: Redis): Promise<Map<string, string>> {
  const list = `${await redis.client('LIST')}`
  return new Map(
    [...list.matchAll(/\baddr=(\S+).*?\bname=(\S*)/g)].map(([, addr, name]) => [
      addr as string,
      name as string,
    ]),
  )
}
