// The files of a form, where multer and its like put them.
import type { RequestFile } from '../engine/index.ts'

/** What a parser of forms makes of a file, as far as it matters here. */
interface UploadedFile {
  readonly fieldname?: unknown
  readonly originalname?: unknown
  readonly mimetype?: unknown
  /** Absent when it was written to a disk. */
  readonly buffer?: unknown
}

/** The files of a request, in the order of their fields; `elsewhere` when one of them is not in memory. */
export function filesOf(req: object): readonly RequestFile[] | 'elsewhere' {
  const { file, files } = req as { readonly file?: unknown; readonly files?: unknown }
  const uploaded = [file, ...listed(files)].filter(
    (each) => typeof each === 'object' && each !== null,
  )
  const found: RequestFile[] = []
  for (const each of uploaded as readonly UploadedFile[]) {
    if (!(each.buffer instanceof Uint8Array)) return 'elsewhere'
    found.push({
      field: String(each.fieldname),
      name: String(each.originalname),
      type: String(each.mimetype),
      bytes: each.buffer,
    })
  }
  return found.sort((a, b) => (a.field < b.field ? -1 : a.field > b.field ? 1 : 0))
}

/** A list, or lists by field. */
function listed(files: unknown): readonly unknown[] {
  if (Array.isArray(files)) return files
  return typeof files === 'object' && files !== null ? Object.values(files).flat() : []
}
