// Finds the titles of the tests in a source file: of vitest's, of the rows of a suite, and of the contract's promises.

import ts from 'typescript'
import { read } from '../docs/documents.ts'

/** Every title, behind those of the blocks around it: `a breaker › opens at the threshold`. */
export function titlesOf(path: string): ReadonlySet<string> {
  const found = new Set<string>()
  const visit = (node: ts.Node, around: readonly string[]): void => {
    const titled = vitestTitle(node)
    if (titled?.by === 'describe') {
      ts.forEachChild(node, (child) => visit(child, [...around, titled.title]))
      return
    }
    const title = titled?.title ?? rowTitle(node) ?? promiseTitle(node)
    if (title !== undefined) found.add([...around, title].join(' › '))
    ts.forEachChild(node, (child) => visit(child, around))
  }
  visit(ts.createSourceFile(path, read(path), ts.ScriptTarget.Latest, true), [])
  return found
}

/** Of `test('title', …)`, `describe.each(…)('title', …)` and the like. */
function vitestTitle(node: ts.Node): { readonly by: string; readonly title: string } | undefined {
  if (!ts.isCallExpression(node)) return undefined
  const by = /^(describe|test)\b/.exec(node.expression.getText())?.[1]
  const title = textOf(node.arguments[0])
  return by === undefined || title === undefined ? undefined : { by, title }
}

/** Of `{ name: 'title', check: … }`. */
function rowTitle(node: ts.Node): string | undefined {
  if (!ts.isPropertyAssignment(node) || node.name.getText() !== 'name') return undefined
  const isRow = node.parent.properties.some((other) => other.name?.getText() === 'check')
  return isRow ? textOf(node.initializer) : undefined
}

/** Of `{ 'title': async (trial) => … }`. */
function promiseTitle(node: ts.Node): string | undefined {
  if (!ts.isPropertyAssignment(node) || !ts.isStringLiteral(node.name)) return undefined
  return node.name.text
}

function textOf(node: ts.Node | undefined): string | undefined {
  if (node === undefined) return undefined
  if (ts.isStringLiteralLike(node)) return node.text
  return ts.isTemplateExpression(node) ? node.getText().slice(1, -1) : undefined
}
