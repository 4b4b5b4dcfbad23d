// Preloaded into every example: leads its imports where the tsconfig that it is compiled with does.

import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { parseConfigFileTextToJson } from 'typescript'

const tsconfig = new URL(`../${process.env.EXAMPLE_TSCONFIG}`, import.meta.url)
const { config } = parseConfigFileTextToJson(tsconfig.pathname, readFileSync(tsconfig, 'utf8'))
const paths: Readonly<Record<string, readonly [string]>> = config.compilerOptions.paths

registerHooks({
  resolve(specifier, context, next) {
    const [path] = paths[specifier] ?? []
    return next(path ? new URL(path, tsconfig).href : specifier, context)
  },
})
