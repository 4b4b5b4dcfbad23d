// Runs a TypeScript program in a process of its own and talks with it, to test what only processes show.

import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** What a child program tells; the parent waits for it by `type`. */
export interface ChildMessage {
  readonly type: string
  readonly [field: string]: unknown
}

export interface ChildExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface ChildOptions {
  /** What `parent.argument()` returns in the child; must survive JSON. */
  readonly argument?: unknown
  /** Added to this process' environment; `undefined` removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** Arguments for node itself, such as `['--import', 'holdfast/telemetry/register']`. */
  readonly nodeArgs?: readonly string[]
  /** The node to run. @defaultValue the one that runs the tests */
  readonly node?: string
}

export interface Child extends AsyncDisposable {
  readonly pid: number
  /** The next message of this type that nobody has taken yet; rejects when the child ends first. */
  next<T extends ChildMessage = ChildMessage>(type: string, within?: number): Promise<T>
  /** Arrives in the child's `parent.next(message.type)`. */
  send(message: ChildMessage): void
  /** Ends it, SIGTERM by default, and resolves when it has ended. */
  kill(signal?: NodeJS.Signals): Promise<ChildExit>
  /** Freezes it (SIGSTOP), as a long garbage collection or a suspended machine does. */
  pause(): void
  resume(): void
  /** Resolves when it has ended, however it did. */
  readonly exit: Promise<ChildExit>
  readonly stdout: string
  readonly stderr: string
}

/**
 * Starts `file`, given as `new URL('./x.ts', import.meta.url)` or a path.
 *
 * A child imports the built package by its name: bare node cannot load src, whose Lua is imported as text.
 */
export function startChild(file: URL | string, options: ChildOptions = {}): Child {
  const path = file instanceof URL ? fileURLToPath(file) : file
  const { argument, env, nodeArgs = [], node = process.execPath } = options
  const child = spawn(node, [...nodeArgs, path, JSON.stringify(argument ?? null)], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  const output = { stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream]?.setEncoding('utf8').on('data', (chunk: string) => {
      output[stream] += chunk
    })
  }

  const inbox: ChildMessage[] = []
  const takers = new Set<() => void>()
  let ended: ChildExit | undefined
  const wakeAll = () => {
    for (const take of takers) take()
  }
  child.on('message', (message) => {
    inbox.push(message as ChildMessage)
    wakeAll()
  })
  const exit = new Promise<ChildExit>((resolve, reject) => {
    child.once('error', reject)
    // 'close' comes after the last output and the last message, 'exit' may come before them.
    child.once('close', (code, signal) => {
      ended = { code, signal }
      process.off('exit', reap)
      resolve(ended)
      wakeAll()
    })
  })
  exit.catch(() => {}) // whoever awaits it hears of it; nobody awaiting is no crash
  const reap = () => void child.kill('SIGKILL')
  process.once('exit', reap)

  const next = <T extends ChildMessage>(type: string, within = 10_000): Promise<T> =>
    new Promise<T>((resolve, reject) => {
      const fail = (why: string) =>
        reject(
          new Error(`Expected the message '${type}' from ${path}, but ${why}\n${output.stderr}`),
        )
      const done = () => {
        takers.delete(take)
        clearTimeout(timer)
      }
      const take = () => {
        const at = inbox.findIndex((message) => message.type === type)
        if (at >= 0) resolve(inbox.splice(at, 1)[0] as T)
        else if (ended) fail(`it ended with ${ended.signal ?? `code ${ended.code}`}`)
        else return
        done()
      }
      const timer = setTimeout(() => {
        done()
        fail(`none came within ${within} ms`)
      }, within)
      takers.add(take)
      take()
    })

  const kill = (signal: NodeJS.Signals = 'SIGTERM'): Promise<ChildExit> => {
    if (!ended) {
      child.kill(signal)
      child.kill('SIGCONT') // a stopped process does not see SIGTERM
    }
    return exit
  }
  return {
    pid: child.pid ?? -1,
    next,
    send: (message) => void child.send(message),
    kill,
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    exit,
    get stdout() {
      return output.stdout
    },
    get stderr() {
      return output.stderr
    },
    [Symbol.asyncDispose]: async () => {
      await kill('SIGKILL').catch(() => {})
    },
  }
}
