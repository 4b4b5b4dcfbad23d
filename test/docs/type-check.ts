// Type-checks programs that are in no file, as if each were a module of the project.

import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { read, root } from './documents.ts'
import type { Fence } from './fences.ts'

/** One line for each mistake: where the program stands, its line, and the compiler's message. */
export function typeErrors(programs: readonly Fence[]): string[] {
  const folder = fileURLToPath(root)
  const { config } = ts.parseConfigFileTextToJson('tsconfig.json', read('tsconfig.json'))
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, folder)
  const virtual: ReadonlyMap<string, Fence> = new Map(
    programs.map((program, at) => [`${folder}documented-${at}.mts`, program] as const),
  )
  const all: ts.CompilerOptions = {
    ...options,
    // A program that imports nothing is a module all the same, and nobody imports from one.
    moduleDetection: ts.ModuleDetectionKind.Force,
    isolatedDeclarations: false,
    declaration: false,
  }
  const host = ts.createCompilerHost(all)
  const { fileExists, readFile, getSourceFile } = host
  host.fileExists = (path) => virtual.has(path) || fileExists(path)
  host.readFile = (path) => virtual.get(path)?.code ?? readFile(path)
  host.getSourceFile = (path, language, ...rest) => {
    const program = virtual.get(path)
    return program
      ? ts.createSourceFile(path, program.code, language, true)
      : getSourceFile(path, language, ...rest)
  }
  const compiled = ts.createProgram([...virtual.keys()], all, host)
  return [...virtual].flatMap(([path, { at }]) => {
    const file = compiled.getSourceFile(path)
    return [
      ...compiled.getSyntacticDiagnostics(file),
      ...compiled.getSemanticDiagnostics(file),
    ].map(({ start = 0, messageText }) => {
      const line = file?.getLineAndCharacterOfPosition(start).line ?? 0
      return `${at}, line ${line + 1}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`
    })
  })
}
