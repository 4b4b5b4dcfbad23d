// The child program of documented.test.ts: runs programs that are in no file, one after the other, as modules of this package.

import { registerHooks } from 'node:module'
import type { Fence } from '../docs/fences.ts'
import { argument, tell } from '../support/parent.ts'

const programs = argument<readonly Fence[]>()
const SCHEME = 'documented:'
const root = new URL('../../package.json', import.meta.url).href

registerHooks({
  resolve(specifier, context, next) {
    if (specifier.startsWith(SCHEME)) return { url: specifier, shortCircuit: true }
    const isOurs = context.parentURL?.startsWith(SCHEME) === true
    return next(specifier, isOurs ? { ...context, parentURL: root } : context)
  },
  load(url, context, next) {
    if (!url.startsWith(SCHEME)) return next(url, context)
    const source = programs[Number(url.slice(SCHEME.length))]?.code ?? ''
    return { format: 'module-typescript', source, shortCircuit: true }
  },
})

const failures: string[] = []
for (const [index, { at }] of programs.entries()) {
  await import(`${SCHEME}${index}`).catch((error) => failures.push(`${at}: ${error}`))
}
tell('ran', { failures })
