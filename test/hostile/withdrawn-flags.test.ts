import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type CliHome, createCliHome } from '../helpers/spawn-cli.ts';

let home: CliHome;
beforeEach(() => {
  home = createCliHome();
});
afterEach(() => home.remove());

describe('flags that 0.1.0 had', () => {
  it.each([
    ['--force=p/*', "--force --only 'p/*'"],
    ['--adopt', 'leave --adopt out'],
    ['--no-adopt', '--force --only'],
  ])('%s ends with 2 and what to write instead', async (flag, words) => {
    const { code, stderr, stdout } = await home.run(['run', 'r.yaml', flag, '--dry-run']);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(words);
  });
});
