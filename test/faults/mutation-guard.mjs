// `npm run guard`: builds a copy of the program that blindly repeats a submission whose outcome is unknown, and runs the
// submit tests against it. They are worth something only if they fail.
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const LEAST_FAILURES = 5;
const root = fileURLToPath(new URL('../..', import.meta.url));
const copy = mkdtempSync(join(tmpdir(), 'evolink-mutant-'));

/** What makes the submission careful, and what a careless one does instead. */
const CAREFUL = "if (outcome.kind === 'unknown') {";
const BLIND = `if (outcome.kind === 'unknown' && attempt <= 3) {
        await takeBack();
        continue;
      }
      ${CAREFUL}`;

function mutate() {
  const path = join(copy, 'src/task/submit.ts');
  const text = readFileSync(path, 'utf8');
  if (text.split(CAREFUL).length !== 2)
    throw new Error(`"${CAREFUL}" is not there exactly once: adapt the guard`);
  writeFileSync(path, text.replace(CAREFUL, BLIND));
}

function build() {
  for (const name of ['src', 'bin', '.ci', 'test', 'package.json', 'tsconfig.json'])
    cpSync(join(root, name), join(copy, name), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  mutate();
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: copy, stdio: ['ignore', 'ignore', 'inherit'] });
}

/** Runs the tests against the mutant. Returns how many there were, and the names of those that failed. */
function runTests() {
  const report = join(copy, 'report.json');
  spawnSync(
    join(root, 'node_modules/.bin/vitest'),
    [
      'run',
      '--config',
      'test/vitest.config.ts',
      'faults/submit',
      '--reporter=json',
      `--outputFile=${report}`,
    ],
    {
      cwd: root,
      stdio: ['ignore', 'ignore', 'ignore'],
      env: { ...process.env, EVOLINK_TEST_BIN: join(copy, 'bin/evolink.js') },
    },
  );
  const tests = JSON.parse(readFileSync(report, 'utf8')).testResults.flatMap(
    ({ assertionResults }) => assertionResults,
  );
  return {
    total: tests.length,
    failed: tests.filter(({ status }) => status === 'failed').map(({ title }) => title),
  };
}

try {
  build();
  const { total, failed } = runTests();
  for (const title of failed) console.log(`caught by: ${title}`);
  const isGuarded = failed.length >= LEAST_FAILURES && failed.length < total;
  console.log(
    `${failed.length} of ${total} tests fail when a submission is repeated blindly (at least ${LEAST_FAILURES})`,
  );
  process.exitCode = isGuarded ? 0 : 1;
} finally {
  rmSync(copy, { recursive: true, force: true });
}
