import { expect, test } from 'vitest';
import { configFolder, stateFolder } from '../../../src/platform/folders.ts';

type Folder = typeof stateFolder;
const win = { LOCALAPPDATA: 'C:\\Users\\me\\AppData\\Local', APPDATA: 'C:\\Users\\me\\AppData\\Roaming' };

const cases: readonly [Folder, Record<string, string>, NodeJS.Platform, string, string][] = [
  [stateFolder, {}, 'linux', '/home/me', '/home/me/.local/state/evolink'],
  [configFolder, {}, 'linux', '/home/me', '/home/me/.config/evolink'],
  [stateFolder, { XDG_STATE_HOME: '/s' }, 'linux', '/home/me', '/s/evolink'],
  [configFolder, { XDG_CONFIG_HOME: '/c' }, 'linux', '/home/me', '/c/evolink'],
  [stateFolder, { XDG_STATE_HOME: 'relative' }, 'linux', '/home/me', '/home/me/.local/state/evolink'],
  [stateFolder, { EVOLINK_STATE_DIR: '/mine', XDG_STATE_HOME: '/s' }, 'linux', '/home/me', '/mine'],
  [stateFolder, {}, 'darwin', '/Users/me', '/Users/me/Library/Application Support/evolink'],
  [configFolder, {}, 'darwin', '/Users/me', '/Users/me/Library/Application Support/evolink'],
  [stateFolder, win, 'win32', 'C:\\Users\\me', 'C:\\Users\\me\\AppData\\Local\\evolink\\state'],
  [configFolder, win, 'win32', 'C:\\Users\\me', 'C:\\Users\\me\\AppData\\Roaming\\evolink'],
];

test.each(cases)('%o with %o on %s', (folder, env, platform, home, expected) => {
  expect(folder(env, platform, home)).toBe(expected);
});

test('a relative EVOLINK_STATE_DIR becomes absolute', () => {
  expect(stateFolder({ EVOLINK_STATE_DIR: 'state' }, 'linux', '/home/me')).toBe(`${process.cwd()}/state`);
});
