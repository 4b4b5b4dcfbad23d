// Reads from the engine's sources what it refuses requests with, and which headers it stores.

import { globSync } from 'node:fs'
import ts from 'typescript'
import { read, root } from './documents.ts'

const engine = 'src/middleware/engine'

/** Every problem, as `status type`, with `Retry-After` where its answers have one. */
export function problems(): string[] {
  const found = new Set<string>()
  for (const path of globSync(`${engine}/*.ts`, { cwd: root })) {
    visit(path, (node, constants) => {
      if (!ts.isObjectLiteralExpression(node)) return
      const { status, type, retries } = fieldsOf(node, constants)
      if (!/^\d+$/.test(status ?? '') || type === undefined || retries === undefined) return
      // What is no problem of ours goes to the framework's error handling.
      if (status === '500' && type === 'about:blank') return
      found.add(`${status} ${type}${retries === 'true' ? ' Retry-After' : ''}`)
    })
  }
  return [...found]
}

/** The response headers that a stored answer keeps. */
export function keptHeaders(): string[] {
  let kept: string[] = []
  visit(`${engine}/stored-answer.ts`, (node) => {
    if (!ts.isVariableDeclaration(node) || node.name.getText() !== 'KEPT') return
    kept = [...node.getText().matchAll(/'(.+?)'/g)].map(([, name = '']) => name)
  })
  return kept
}

type Constants = ReadonlyMap<string, string>

/** The fields of an object literal whose values are literals, or constants of the file. */
function fieldsOf(
  node: ts.ObjectLiteralExpression,
  constants: Constants,
): Readonly<Record<string, string | undefined>> {
  return Object.fromEntries(
    node.properties.filter(ts.isPropertyAssignment).map(({ name, initializer }) => {
      const text = initializer.getText().replace(/^'|'$/g, '')
      return [name.getText(), constants.get(text) ?? text]
    }),
  )
}

function visit(path: string, seen: (node: ts.Node, constants: Constants) => void): void {
  const file = ts.createSourceFile(path, read(path), ts.ScriptTarget.Latest, true)
  const constants = new Map<string, string>()
  const each = (node: ts.Node): void => {
    if (
      ts.isVariableDeclaration(node) &&
      node.initializer &&
      ts.isStringLiteral(node.initializer)
    ) {
      constants.set(node.name.getText(), node.initializer.text)
    }
    seen(node, constants)
    ts.forEachChild(node, each)
  }
  each(file)
}
