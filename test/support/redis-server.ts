// Starts private Redis servers that a test may pause, kill and restart without harming anybody else's.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from './free-port.ts'
import { redisAnswers } from './redis-ping.ts'

export interface RedisServerOptions {
  /** More command line arguments, such as `['--maxmemory', '1mb']`; they win over ours. Leave logging as it is. */
  readonly args?: readonly string[]
  /** @defaultValue a free one */
  readonly port?: number
  /** Keep the data over `restart()`, also after `kill()` (append-only file, synced at each write). */
  readonly persist?: boolean
  /** Run it as a Sentinel with these lines of configuration, which it rewrites as it goes. */
  readonly sentinel?: readonly string[]
  /** The program to run, by name or path. @defaultValue 'redis-server' */
  readonly binary?: string
}

export interface RedisServer extends AsyncDisposable {
  readonly url: string
  readonly port: number
  /** Of the process that runs now; another one after `restart()`. */
  readonly pid: number
  /** Ends it in order (SIGTERM), and by force when it does not end. */
  stop(): Promise<void>
  /** Ends it as a crash would (SIGKILL). */
  kill(): Promise<void>
  /** Freezes it (SIGSTOP): its sockets stay open and say nothing. */
  pause(): void
  /** Lets a paused server go on. */
  resume(): void
  /** Starts it again on the same port, ending it first (SIGTERM) if it still runs. */
  restart(): Promise<void>
}

/** Starts one and resolves once it answers; what it writes lives in a temporary folder until disposal. */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const dir = await mkdtemp(join(tmpdir(), 'holdfast-redis-'))
  try {
    let port = options.port ?? (await freePort())
    if (options.sentinel) await writeFile(configIn(dir), options.sentinel.join('\n'))
    let child = await launch(port, dir, options).catch(async (error: unknown) => {
      // Somebody else can take a free port between our look and Redis' bind: look once more.
      if (options.port !== undefined || isMissing(error)) throw error
      port = await freePort()
      return launch(port, dir, options)
    })
    const restart = async (): Promise<void> => {
      await end(child, 'SIGTERM')
      child = await launch(port, dir, options)
    }
    return {
      url: `redis://127.0.0.1:${port}`,
      port,
      get pid() {
        return child.pid as number
      },
      stop: () => end(child, 'SIGTERM'),
      kill: () => end(child, 'SIGKILL'),
      pause: () => void child.kill('SIGSTOP'),
      resume: () => void child.kill('SIGCONT'),
      restart,
      [Symbol.asyncDispose]: async () => {
        await end(child, 'SIGKILL')
        await rm(dir, { recursive: true, force: true })
      },
    }
  } catch (error) {
    await rm(dir, { recursive: true, force: true })
    throw error
  }
}

const configIn = (dir: string): string => join(dir, 'sentinel.conf')

class RedisMissingError extends Error {}
const isMissing = (error: unknown): boolean => error instanceof RedisMissingError

async function launch(
  port: number,
  dir: string,
  { args = [], persist = false, binary = 'redis-server', sentinel }: RedisServerOptions,
): Promise<ChildProcess> {
  const child = spawn(
    binary,
    [
      ...(sentinel ? [configIn(dir), '--sentinel'] : []),
      ...['--port', `${port}`, '--bind', '127.0.0.1', '--dir', dir, '--save', ''],
      ...['--appendonly', persist ? 'yes' : 'no', '--appendfsync', 'always'],
      ...args,
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  )
  let log = ''
  const keep = (chunk: Buffer) => {
    log = (log + chunk).slice(-4_000)
  }
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)

  let failure: Error | undefined
  child.once('error', (error: NodeJS.ErrnoException) => {
    failure =
      error.code === 'ENOENT'
        ? new RedisMissingError(
            `Expected the program \`${binary}\` on PATH: install it with \`apt-get install redis-server\``,
          )
        : error
  })
  child.once('exit', (code, signal) => {
    failure ??= new Error(`Redis on port ${port} ended at start (${code ?? signal}):\n${log}`)
  })
  // A test process that ends without disposal must not leave servers behind.
  const reap = () => void child.kill('SIGKILL')
  process.once('exit', reap)
  child.once('close', () => process.off('exit', reap))

  for (const deadline = performance.now() + 10_000; ; ) {
    if (failure) throw failure
    // The log tells that it is ours that listens: a server that was there before would answer too.
    const ready = sentinel ? '+monitor' : 'Ready to accept connections'
    if (log.includes(ready) && (await redisAnswers(port))) return child
    if (performance.now() > deadline) {
      child.kill('SIGKILL')
      throw new Error(`Redis on port ${port} did not answer PING within 10 s:\n${log}`)
    }
    await sleep(10)
  }
}

async function end(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill(signal)
  child.kill('SIGCONT') // a stopped process does not see SIGTERM
  const force = setTimeout(() => child.kill('SIGKILL'), 5_000)
  await exited
  clearTimeout(force)
}
