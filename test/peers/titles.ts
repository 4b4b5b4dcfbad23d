// Finds the titles of the tests in a source file: of vitest's, of the rows of a suite, and of the contract's promises.

import ts from 'typescript'
import { read } from '../docs/documents.ts'

/** Every title, behind those of the blocks around it: `a breaker › opens at the threshold`; `…` stands for what varies. */
export function titlesOf(path: string): ReadonlySet<string> {
  const found = new Set<string>()
  const visit = (node: ts.Node, around: readonly string[]): void => {
    const title = titleOf(node)?.replace(/%[a-z]|\$\w+/g, '…')
    const titles = title === undefined ? around : [...around, title]
    if (title !== undefined) found.add(titles.join(' › '))
    ts.forEachChild(node, (child) => visit(child, titles))
  }
  visit(ts.createSourceFile(path, read(path), ts.ScriptTarget.Latest, true), [])
  return found
}

function titleOf(node: ts.Node): string | undefined {
  // test('title', …), describe.each(…)('title', …) and the like.
  if (ts.isCallExpression(node)) {
    return /^(?:describe|test)\b/.test(node.expression.getText())
      ? textOf(node.arguments[0])
      : undefined
  }
  if (!ts.isPropertyAssignment(node)) return undefined
  const { name, initializer, parent } = node
  // { 'title': async (trial) => … }, or what makes such a function.
  if (ts.isStringLiteral(name)) {
    const isCheck = ts.isArrowFunction(initializer) || ts.isCallExpression(initializer)
    return isCheck ? name.text : undefined
  }
  // { name: 'title', check: … }
  const isRow = parent.properties.some((other) => other.name?.getText() === 'check')
  return isRow && name.getText() === 'name' ? textOf(initializer) : undefined
}

function textOf(node: ts.Node | undefined): string | undefined {
  if (node === undefined) return undefined
  if (ts.isStringLiteralLike(node)) return node.text
  if (!ts.isTemplateExpression(node)) return undefined
  return node.templateSpans.reduce((text, { literal }) => `${text}…${literal.text}`, node.head.text)
}
