// A Lua script: sent once as text, then called by its hash.
import { createHash } from 'node:crypto'
import type { RedisClient } from './client.ts'
import { isUnknownFlags, isUnknownScript } from './failure.ts'
import grants from './lua/grants.lua' with { type: 'text' }
import histories from './lua/histories.lua' with { type: 'text' }
import records from './lua/records.lua' with { type: 'text' }

/** What scripts share, in place of `--- @include` and its name. */
const SHARED: Readonly<Record<string, string>> = { grants, histories, records }
const INCLUDE = /^--- @include (\w+)\n/m

/** How Redis 7 and later are told that a script may run without memory; older ones cannot read it. */
const ALLOW_OOM = '#!lua flags=allow-oom\n'
/** Older ones ask for memory until a script has begun to write, which is this: no hash has such a field. */
const WRITE_FIRST = "redis.pcall('HDEL', KEYS[1], '')\n"

interface Loaded {
  readonly text: string
  readonly sha: string
}

/** What may be passed to a script. */
export type Argument = string | number

/** A script of the adapter. */
export class Script {
  readonly #variants: readonly Loaded[]
  #variant = 0
  readonly #known = new WeakSet<RedisClient>()

  /**
   * Makes a script from its source.
   *
   * `frees` says that it must also run when the server is out of memory, because it only gives back.
   */
  constructor(source: string, { frees = false }: { readonly frees?: boolean } = {}) {
    const text = source.replace(INCLUDE, (_line, name: string) => SHARED[name] ?? '')
    const texts = frees ? [ALLOW_OOM + text, WRITE_FIRST + text] : [text]
    this.#variants = texts.map((each) => ({
      text: each,
      sha: createHash('sha1').update(each).digest('hex'),
    }))
  }

  /** Runs the script in one round trip. */
  async run(
    client: RedisClient,
    keys: readonly string[],
    args: readonly Argument[],
  ): Promise<unknown> {
    const variant = this.#variant
    const { text, sha } = this.#variants[variant] as Loaded
    try {
      if (this.#known.has(client)) {
        try {
          return await client.evalsha(sha, keys.length, ...keys, ...args)
        } catch (error) {
          if (!isUnknownScript(error)) throw error
        }
      }
      // Text that was sent is kept by the server: the next call can be short.
      const reply = await client.eval(text, keys.length, ...keys, ...args)
      this.#known.add(client)
      return reply
    } catch (error) {
      if (!isUnknownFlags(error) || variant === this.#variants.length - 1) throw error
      // Of several that have found out together, one moves on.
      this.#variant = variant + 1
      return this.run(client, keys, args)
    }
  }
}
