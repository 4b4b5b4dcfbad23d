// Installs the peers on first use, and again when the lockfile has changed; holdfast is the one that was just built.

import { execFileSync } from 'node:child_process'
import { cpSync, rmSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
const changed = (path: string): number =>
  statSync(at(path), { throwIfNoEntry: false })?.mtimeMs ?? 0

if (changed('node_modules/.package-lock.json') < changed('package-lock.json')) {
  execFileSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel', 'error'], {
    cwd: at('.'),
    stdio: 'inherit',
    shell: process.platform === 'win32',
  })
}
for (const part of ['dist', 'package.json']) {
  rmSync(at(`node_modules/holdfast/${part}`), { recursive: true, force: true })
  cpSync(at(`../${part}`), at(`node_modules/holdfast/${part}`), { recursive: true })
}
