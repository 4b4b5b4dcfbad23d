// Text as PostgreSQL can keep it: without NUL, which it refuses in every form.

const NUL = '\u0000'
const MARK = '\u0001'

/** Any text, written without NUL. */
export function packText(text: string): string {
  return text.includes(NUL) || text.includes(MARK)
    ? text.replaceAll(MARK, `${MARK}1`).replaceAll(NUL, `${MARK}0`)
    : text
}

/** The text that was packed. */
export function unpackText(packed: string): string {
  return packed.includes(MARK)
    ? packed.replaceAll(`${MARK}0`, NUL).replaceAll(`${MARK}1`, MARK)
    : packed
}
