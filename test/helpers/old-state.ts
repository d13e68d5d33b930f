import { cpSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sha256 } from './rig.ts';
import type { CliHome } from './spawn-cli.ts';

const FIXTURE = new URL('../fixtures/v0.1.0/', import.meta.url);

/**
 * Puts what version 0.1.0 has written into a home: records, clips with sidecars, a part file, job files and a report. Paths
 * and the service's address are placeholders in the fixture; what 0.1.0 made of them by hashing is made here again, by its
 * rules, so that a change of these rules fails.
 */
export function plantOldState(home: CliHome, service: string): void {
  cpSync(new URL('work', FIXTURE), home.work, { recursive: true });
  cpSync(new URL('state', FIXTURE), home.state, { recursive: true });
  const fill = (text: string): string =>
    text
      .replaceAll('@WORK@', home.work)
      .replaceAll('@SERVICE@', service)
      .replaceAll('@HOST@', new URL(service).host);
  for (const path of filesOf(home.work).filter((name) => /\.(json|yaml)$/.test(name)))
    writeFileSync(path, fill(readFileSync(path, 'utf8')));
  for (const path of filesOf(home.state)) {
    const record = JSON.parse(fill(readFileSync(path, 'utf8')));
    writeFileSync(path, JSON.stringify({ ...record, identity: identityOf(record, service) }, null, 1));
  }
  for (const path of filesOf(home.work).filter((name) => name.endsWith('.part'))) {
    const { taskId, linkIdentity } = JSON.parse(readFileSync(`${path}.json`, 'utf8'));
    const hash = sha256(`${taskId}\n${linkIdentity}`).slice(0, 8);
    const renamed = path.replace(/\.[0-9a-f]{8}\.part$/, `.${hash}.part`);
    renameSync(path, renamed);
    renameSync(`${path}.json`, `${renamed}.json`);
  }
}

/** The paths of the open records, by file name as the version has named them. */
export function openRecordPaths(home: CliHome): readonly string[] {
  const folder = join(home.state, 'tasks', 'open');
  return readdirSync(folder).map((name) => join(folder, name));
}

/** The open record whose prompt this is. */
export function openRecordOf(home: CliHome, prompt: string): string {
  const isOf = (path: string) => readFileSync(path, 'utf8').includes(JSON.stringify(prompt));
  const path = openRecordPaths(home).find(isOf);
  if (path === undefined) throw new Error(`no open record of "${prompt}"`);
  return path;
}

type OldRecord = { fingerprint: string; output: { kind: string; folder?: string; pattern?: string } };

function identityOf({ fingerprint, output }: OldRecord, service: string): string {
  const place = output.kind === 'file' ? ['file', output.folder, output.pattern] : ['stdout'];
  return sha256(JSON.stringify(['identity-1', fingerprint, ...place, { service }]));
}

function filesOf(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}
