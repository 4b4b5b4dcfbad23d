// Finds getters of object literals, with TypeScript's own parser.

import ts from 'typescript'

/** The lines of `source` on which an object literal begins a getter. */
export function literalGetters(source: string): number[] {
  const file = ts.createSourceFile('source.ts', source, ts.ScriptTarget.Latest, true)
  const lines: number[] = []
  const visit = (node: ts.Node): void => {
    if (ts.isGetAccessor(node) && ts.isObjectLiteralExpression(node.parent)) {
      lines.push(file.getLineAndCharacterOfPosition(node.getStart()).line + 1)
    }
    ts.forEachChild(node, visit)
  }
  visit(file)
  return lines
}
