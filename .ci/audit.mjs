// What ships has no known vulnerability: the packages in the bundle, as the registry knows them. Where it does not answer,
// the lock file must at least say by hash what each of them is.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const read = (path) => JSON.parse(readFileSync(join(root, path), 'utf8'));
const bundled = [...new Set(Object.values(read('dist/packages.json')).flat())].sort();
const { stdout } = spawnSync('npm', ['audit', '--json'], { cwd: root, encoding: 'utf8', timeout: 60_000 });
const known = JSON.parse(stdout || '{}').vulnerabilities;
const { packages } = read('package-lock.json');
const bad =
  known === undefined
    ? bundled.filter((name) => packages[`node_modules/${name}`]?.integrity === undefined)
    : bundled.filter((name) => known[name] !== undefined);
const how = known === undefined ? 'the registry does not answer; by the lock file' : 'by the registry';
console.log(
  `${bundled.length} bundled packages, ${how}: ${bad.length === 0 ? 'nothing found' : bad.join(', ')}`,
);
process.exitCode = bad.length === 0 ? 0 : 1;
