// Reads what a TypeScript file imports, with TypeScript's own parser.

import { posix } from 'node:path'
import ts from 'typescript'

export interface ModuleImport {
  /** As written, such as `../core/ports.ts` or `ioredis`. */
  readonly specifier: string
  /** The imported file's path from the root for a relative specifier, else the specifier. */
  readonly target: string
  /** Gone after compilation: `import type`, `export type … from` or `import('x').T`. */
  readonly typeOnly: boolean
}

/**
 * Every static, dynamic and type import of `source`, the file at `path`. A built-in that is reached
 * through `process.getBuiltinModule('x')` is listed as `getBuiltinModule:x`.
 */
export function moduleImports(path: string, source: string): ModuleImport[] {
  const found: ModuleImport[] = []
  const add = (node: ts.Node | undefined, typeOnly: boolean, prefix = '') => {
    if (!node || !ts.isStringLiteralLike(node)) return
    const specifier = prefix + node.text
    const relative = specifier.startsWith('.')
    const target = relative ? posix.join(posix.dirname(path), specifier) : specifier
    found.push({ specifier, target, typeOnly })
  }
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) {
      add(node.moduleSpecifier, node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword)
    } else if (ts.isExportDeclaration(node)) {
      add(node.moduleSpecifier, node.isTypeOnly)
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      add(node.argument.literal, true)
    } else if (ts.isExternalModuleReference(node)) {
      add(node.expression, false)
    } else if (ts.isCallExpression(node)) {
      const callee = node.expression
      const name = ts.isPropertyAccessExpression(callee) ? callee.name.text : callee.getText()
      if (callee.kind === ts.SyntaxKind.ImportKeyword || name === 'require') {
        add(node.arguments[0], false)
      } else if (name === 'getBuiltinModule') {
        add(node.arguments[0], false, 'getBuiltinModule:')
      }
    }
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile(path, source, ts.ScriptTarget.Latest, true))
  return found
}
