// `npm run guard`: builds a copy of the program that blindly repeats a submission whose outcome is unknown, and runs the
// submit tests against it. They are worth something only if they fail.
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const LEAST_FAILURES = 5;
const root = join(import.meta.dirname, '../..');
const copy = mkdtempSync(join(tmpdir(), 'evolink-mutant-'));

/** What makes the submission careful, and what a careless one does instead. */
const CAREFUL = "if (outcome.kind === 'unknown') ";
const BLIND = `if (outcome.kind === 'unknown' && attempt <= 3) {
        await takeBack();
        continue;
      }
      ${CAREFUL}`;

try {
  for (const name of ['src', 'bin', '.ci', 'package.json', 'tsconfig.json'])
    cpSync(join(root, name), join(copy, name), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  const path = join(copy, 'src/task/submit.ts');
  const parts = readFileSync(path, 'utf8').split(CAREFUL);
  if (parts.length !== 2) throw new Error(`"${CAREFUL}" is not there exactly once: adapt the guard`);
  writeFileSync(path, parts.join(BLIND));
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: copy, stdio: ['ignore', 'ignore', 'inherit'] });

  const report = join(copy, 'report.json');
  const line = 'run --config test/vitest.config.ts faults/submit --reporter=json';
  const env = { ...process.env, EVOLINK_TEST_BIN: join(copy, 'bin/evolink.js') };
  const args = [...line.split(' '), `--outputFile=${report}`];
  spawnSync(join(root, 'node_modules/.bin/vitest'), args, { cwd: root, stdio: 'ignore', env });
  const { testResults } = JSON.parse(readFileSync(report, 'utf8'));
  const tests = testResults.flatMap(({ assertionResults }) => assertionResults);
  const failed = tests.filter(({ status }) => status === 'failed');
  for (const { title } of failed) console.log(`caught by: ${title}`);
  console.log(`${failed.length} of ${tests.length} tests fail, which is to be ${LEAST_FAILURES} at least`);
  process.exitCode = failed.length >= LEAST_FAILURES && failed.length < tests.length ? 0 : 1;
} finally {
  rmSync(copy, { recursive: true, force: true });
}
