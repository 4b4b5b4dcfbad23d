// Finds the TypeScript programs in the documentation: fenced blocks of Markdown, and `@example`s of src.

import ts from 'typescript'

export interface Fence {
  /** Where it stands, such as `README.md:12` or `src/core/lock.ts:118`. */
  readonly at: string
  readonly code: string
}

/** The blocks of a Markdown text that are fenced as `language`; '' for those that name none. */
export function fencesOf(path: string, markdown: string, language: string = 'ts'): Fence[] {
  return [...markdown.matchAll(/^```(\w*)\n(.*?)^```$/gms)]
    .filter(([, fencedAs]) => fencedAs === language)
    .map(({ index, 2: code = '' }) => ({
      at: `${path}:${markdown.slice(0, index).split('\n').length}`,
      code,
    }))
}

/** The blocks in the `@example`s of a source file. */
export function examplesOf(path: string, source: string): Fence[] {
  const found: Fence[] = []
  const file = ts.createSourceFile(path, source, ts.ScriptTarget.Latest, true)
  const visit = (node: ts.Node): void => {
    for (const tag of ts.getJSDocTags(node)) {
      // A tag belongs to several nodes, such as a statement and its declaration: it counts for its parent's.
      if (tag.tagName.text !== 'example' || tag.parent.parent !== node) continue
      const { line } = file.getLineAndCharacterOfPosition(tag.pos)
      const text = ts.getTextOfJSDocComment(tag.comment) ?? ''
      found.push(...fencesOf(path, text).map(({ code }) => ({ at: `${path}:${line + 1}`, code })))
    }
    ts.forEachChild(node, visit)
  }
  visit(file)
  return found
}
