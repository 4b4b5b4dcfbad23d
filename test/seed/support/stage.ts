// Runs an example in processes of its own, on a store and in a world.

import { type Child, type ChildExit, startChild } from '../../support/child.ts'
import { eventually } from '../../support/eventually.ts'
import { type Answers, startWorld } from './world.ts'

/** How long a test waits for what an example must do; many processes run at once. */
export const PATIENCE = 60_000

/** Where an example finds its store, and the tsconfig that leads its imports there. */
export interface ExampleStore {
  readonly tsconfig: string
  readonly env: Readonly<Record<string, string>>
}

export interface Stage extends AsyncDisposable {
  /** What the examples have asked the world so far, in order. */
  readonly asked: readonly string[]
  /** Starts one more process of the example. */
  start(env?: Readonly<Record<string, string>>): Child
}

const preloaded = ['exchange.ts', 'stand-ins.ts'].map(
  (file) => `--import=${new URL(file, import.meta.url)}`,
)

/** The examples have parameter properties, which are no erasable syntax. */
const transformed = ['--experimental-transform-types', '--disable-warning=ExperimentalWarning']

/** Sets the scene for any number of processes of one example. */
export async function stage(name: string, store: ExampleStore, answers: Answers): Promise<Stage> {
  const world = await startWorld(answers)
  const started: Child[] = []
  return {
    asked: world.asked,
    start: (env = {}) => {
      const child = startChild(new URL(`../examples/${name}.ts`, import.meta.url), {
        nodeArgs: [...transformed, ...preloaded],
        env: { ...store.env, EXAMPLE_TSCONFIG: store.tsconfig, WORLD_URL: world.url, ...env },
      })
      started.push(child)
      return child
    },
    [Symbol.asyncDispose]: async () => {
      for (const child of started) await child[Symbol.asyncDispose]()
      await world[Symbol.asyncDispose]()
    },
  }
}

/** Resolves once a process has printed a line; rejects with what it complained of when it ends before. */
export async function printed(child: Child, line: string): Promise<void> {
  const isThere = () => child.stdout.split('\n').includes(line)
  const seen = eventually(isThere, { what: `'${line}'`, within: PATIENCE })
  const ended = child.exit.then(() => {
    if (!isThere()) throw new Error(child.stderr)
  })
  await Promise.race([seen, ended])
  for (const other of [seen, ended]) other.catch(() => {})
}

export interface Ending extends ChildExit {
  readonly stdout: readonly string[]
  readonly stderr: string
}

/** How a process has ended by itself, and all that it has printed. */
export async function ending(child: Child): Promise<Ending> {
  const exit = await child.exit
  return { ...exit, stdout: child.stdout.split('\n').slice(0, -1), stderr: child.stderr }
}
