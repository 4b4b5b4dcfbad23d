// The vite plugin that makes `import script from './x.lua' with { type: 'text' }` a string in tests, and SQL too.

import type { Plugin } from 'vitest/config'

export const textFiles: Plugin = {
  name: 'text-files',
  transform: (code, id) =>
    /\.(lua|sql)$/.test(id)
      ? { code: `export default ${JSON.stringify(code)}`, map: null }
      : undefined,
}
