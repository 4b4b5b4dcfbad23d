// Tables in a document that are drawn from data, each between `<!-- name -->` and `<!-- /name -->`.

/** How each table of a document is drawn, by its name. */
export type Tables = Readonly<Record<string, () => string>>

/** The text of the document with every table drawn anew. */
export function withTables(document: string, tables: Tables): string {
  return Object.entries(tables).reduce((text, [name, draw]) => {
    const [before, rest] = text.split(`<!-- ${name} -->\n`)
    const after = rest?.split(`<!-- /${name} -->`)[1]
    if (after === undefined) throw new Error(`Expected a section ${name} in the document`)
    return `${before}<!-- ${name} -->\n\n${draw()}\n\n<!-- /${name} -->${after}`
  }, document)
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}
