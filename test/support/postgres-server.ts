// Starts private PostgreSQL servers that a test may pause, kill and restart without harming anybody else's.

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, globSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { freePort } from './free-port.ts'
import { handOver, unprivileged } from './unprivileged.ts'

const run = promisify(execFile)

export interface PostgresServerOptions {
  /** Settings of the server, such as `{ max_connections: '10' }`; they win over ours. Leave logging as it is. */
  readonly settings?: Readonly<Record<string, string>>
  /** @defaultValue a free one */
  readonly port?: number
}

export interface PostgresServer extends AsyncDisposable {
  /** Of the superuser `postgres`, who needs no password. */
  readonly url: string
  readonly port: number
  /** Of the process that runs now; another one after `restart()`. */
  readonly pid: number
  /** Ends it in order, whoever is connected (SIGINT), and by force when it does not end. */
  stop(): Promise<void>
  /** Ends it and all its sessions as a crash would (SIGKILL). */
  kill(): Promise<void>
  /** Freezes it and all its sessions (SIGSTOP): their sockets stay open and say nothing. */
  pause(): Promise<void>
  /** Lets a paused server go on. */
  resume(): Promise<void>
  /** Starts it again on the same port with the same data, ending it first if it still runs. */
  restart(): Promise<void>
}

/** Not for data that matters: it never waits for the disk. */
const OURS: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '200',
  fsync: 'off',
  logging_collector: 'off',
  log_destination: 'stderr',
}

/** Starts one and resolves once it takes connections; what it writes lives in a temporary folder until disposal. */
export async function startPostgres(options: PostgresServerOptions = {}): Promise<PostgresServer> {
  const bin = binaries()
  const user = unprivileged()
  const dir = await mkdtemp(join(tmpdir(), 'holdfast-postgres-'))
  try {
    handOver(dir, user)
    const data = join(dir, 'data')
    await run(
      join(bin, 'initdb'),
      ['-D', data, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale', 'C', '--no-sync'],
      { ...user, cwd: dir },
    )
    const start = (at: number): Promise<ChildProcess> =>
      launch(join(bin, 'postgres'), data, at, { ...OURS, ...options.settings })
    let port = options.port ?? (await freePort())
    let child = await start(port).catch(async (error: unknown) => {
      // Somebody else can take a free port between our look and the server's bind: look once more.
      if (options.port !== undefined) throw error
      port = await freePort()
      return start(port)
    })
    let frozen: readonly number[] = []
    return {
      url: `postgres://postgres@127.0.0.1:${port}/postgres`,
      port,
      get pid() {
        return child.pid as number
      },
      stop: () => end(child, 'SIGINT'),
      kill: () => crash(child),
      pause: async () => {
        // First the one that makes new sessions, then those that there are.
        child.kill('SIGSTOP')
        frozen = await sessions(child)
        signalAll(frozen, 'SIGSTOP')
      },
      resume: async () => {
        signalAll(frozen, 'SIGCONT')
        child.kill('SIGCONT')
      },
      restart: async () => {
        await end(child, 'SIGINT')
        child = await start(port)
      },
      [Symbol.asyncDispose]: async () => {
        signalAll(frozen, 'SIGCONT')
        await crash(child)
        await rm(dir, { recursive: true, force: true, maxRetries: 5 })
      },
    }
  } catch (error) {
    await rm(dir, { recursive: true, force: true })
    throw error
  }
}

/** The folder of `postgres` and `initdb`: from PATH, or where Debian keeps them, the newest first. */
function binaries(): string {
  const onPath = (process.env.PATH ?? '').split(delimiter)
  const versions = globSync('/usr/lib/postgresql/*/bin').toSorted((a, b) => version(b) - version(a))
  const found = [...onPath, ...versions].find((folder) =>
    ['postgres', 'initdb'].every((name) => existsSync(join(folder, name))),
  )
  if (found) return found
  throw new Error(
    'Expected the programs `postgres` and `initdb` on PATH or below /usr/lib/postgresql: install them with `apt-get install postgresql`',
  )
}

function version(folder: string): number {
  return Number(folder.split('/').at(-2))
}

async function launch(
  binary: string,
  data: string,
  port: number,
  settings: Readonly<Record<string, string>>,
): Promise<ChildProcess> {
  const args = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const child = spawn(binary, ['-D', data, '-p', `${port}`, ...args], {
    ...unprivileged(),
    cwd: dirname(data),
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let log = ''
  child.stderr.on('data', (chunk: Buffer) => {
    log = (log + chunk).slice(-4_000)
  })
  let failure: Error | undefined
  child.once('error', (error) => {
    failure = error
  })
  child.once('exit', (code, signal) => {
    failure ??= new Error(`PostgreSQL on port ${port} ended at start (${code ?? signal}):\n${log}`)
  })
  // A test process that ends without disposal must not leave servers behind: SIGQUIT ends the sessions too.
  const reap = () => void child.kill('SIGQUIT')
  process.once('exit', reap)
  child.once('close', () => process.off('exit', reap))

  for (const deadline = performance.now() + 20_000; ; ) {
    if (failure) throw failure
    if (log.includes('database system is ready to accept connections')) return child
    if (performance.now() > deadline) {
      child.kill('SIGQUIT')
      throw new Error(`PostgreSQL on port ${port} was not ready within 20 s:\n${log}`)
    }
    await sleep(10)
  }
}

/** The processes of a server's sessions and background work. */
async function sessions({ pid }: ChildProcess): Promise<number[]> {
  const { stdout } = await run('pgrep', ['-P', `${pid}`]).catch(() => ({ stdout: '' }))
  return stdout.split('\n').filter(Boolean).map(Number)
}

function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal)
    } catch {
      // It has ended.
    }
  }
}

async function crash(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return
  child.kill('SIGSTOP')
  const all = await sessions(child)
  signalAll(all, 'SIGKILL')
  await end(child, 'SIGKILL')
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (hasEnded(child)) return
  const exited = once(child, 'exit')
  child.kill(signal)
  child.kill('SIGCONT') // a stopped process does not see SIGINT
  const force = setTimeout(() => child.kill('SIGQUIT'), 5_000)
  await exited
  clearTimeout(force)
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null
}
