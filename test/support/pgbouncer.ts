// Starts a private pgbouncer in transaction mode in front of a PostgreSQL server.

import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from './free-port.ts'
import { unprivileged } from './unprivileged.ts'

const BINARY = 'pgbouncer'
/** Debian installs it where only root looks. */
const environment = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` }

/**
 * Whether what needs pgbouncer is to be tested: always in CI, which installs it.
 *
 * Elsewhere the rest is worth running without it; but nobody should believe that this was tested too.
 */
export function testsPgbouncer(): boolean {
  if (process.env.CI !== undefined) return true
  const found = spawnSync(BINARY, ['--version'], { env: environment }).status === 0
  if (!found) {
    console.warn('NOT TESTED: PostgreSQL behind pgbouncer. To test it: apt-get install pgbouncer')
  }
  return found
}

export interface Pgbouncer extends AsyncDisposable {
  readonly url: string
}

/** Starts one before the server and database that `target` names. */
export async function startPgbouncer(target: string): Promise<Pgbouncer> {
  const { hostname, port: targetPort, username, password, pathname } = new URL(target)
  const database = pathname.slice(1)
  const port = await freePort()
  const dir = await mkdtemp(join(tmpdir(), 'holdfast-pgbouncer-'))
  const config = join(dir, 'pgbouncer.ini')
  const secret = password ? ` password=${decodeURIComponent(password)}` : ''
  await writeFile(
    config,
    `[databases]
${database} = host=${hostname} port=${targetPort || 5432} user=${decodeURIComponent(username)}${secret}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 20
max_client_conn = 500
`,
  )
  // Read by the other user that it runs as.
  await chmod(dir, 0o755)
  const child = spawn(BINARY, [config], {
    ...unprivileged(),
    env: environment,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let log = ''
  child.stderr.on('data', (chunk: Buffer) => {
    log = (log + chunk).slice(-4_000)
  })
  let failure: Error | undefined
  child.once('error', (error: NodeJS.ErrnoException) => {
    failure =
      error.code === 'ENOENT'
        ? new Error(
            'Expected the program `pgbouncer` on PATH: install it with `apt-get install pgbouncer`',
          )
        : error
  })
  child.once('exit', (code, signal) => {
    failure ??= new Error(`pgbouncer ended at start (${code ?? signal}):\n${log}`)
  })
  const reap = () => void child.kill('SIGKILL')
  process.once('exit', reap)
  child.once('close', () => process.off('exit', reap))
  for (const deadline = performance.now() + 10_000; !log.includes('process up'); ) {
    if (failure) throw failure
    if (performance.now() > deadline) {
      child.kill('SIGKILL')
      throw new Error(`pgbouncer on port ${port} was not up within 10 s:\n${log}`)
    }
    await sleep(10)
  }
  return {
    url: `postgres://${username}@127.0.0.1:${port}/${database}`,
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL')
        await once(child, 'exit')
      }
      await rm(dir, { recursive: true, force: true })
    },
  }
}
