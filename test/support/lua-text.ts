// The vite plugin that makes `import script from './x.lua' with { type: 'text' }` a string in tests.

import type { Plugin } from 'vitest/config'

export const luaText: Plugin = {
  name: 'lua-text',
  transform: (code, id) =>
    id.endsWith('.lua') ? { code: `export default ${JSON.stringify(code)}`, map: null } : undefined,
}
