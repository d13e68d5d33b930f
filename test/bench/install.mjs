// What `npm install` of the packed tarball leaves on the disk.
import { execFileSync } from 'node:child_process';
import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inHome, root } from './measure.mjs';

export function measure() {
  return inHome(({ folder }) => {
    const npm = (cwd, ...args) => execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: 'pipe' });
    npm(root, 'pack', '--silent', '--ignore-scripts', '--pack-destination', folder);
    const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz'));
    writeFileSync(join(folder, 'package.json'), '{}');
    npm(folder, 'install', '--omit=dev', '--no-audit', '--no-fund', '--offline', join(folder, tarball));
    const modules = join(folder, 'node_modules');
    const files = readdirSync(modules, { recursive: true }).map((path) => statSync(join(modules, path)));
    const blocks = files.reduce((sum, { blocks: each }) => sum + each, 0);
    const packages = readdirSync(modules).filter((name) => !name.startsWith('.'));
    return [
      { name: 'install: MiB on the disk', goal: 8, figure: (blocks * 512) / 1024 ** 2 },
      { name: 'install: packages', goal: 1, figure: packages.length },
      { name: 'tarball: MiB', goal: 3.5, figure: statSync(join(folder, tarball)).size / 1024 ** 2 },
    ];
  });
}
