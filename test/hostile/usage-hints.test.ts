import { afterAll, beforeAll, expect, test } from 'vitest';
import { createRunRig, type Rig } from '../helpers/rig.ts';

let rig: Rig;

beforeAll(async () => {
  rig = await createRunRig({ startingCredits: 12 });
});

afterAll(() => rig.close());

test.each([
  [['i2v', 'zoom in', 'first.jpg'], 'hint: name a media file with its flag: evolink i2v "…" -i first.jpg'],
  [
    ['t2v', 'zoom in', 'Clip 1.PNG'],
    'hint: name a media file with its flag: evolink i2v "…" -i \'Clip 1.PNG\'',
  ],
  [['ref', 'as music', 'song.mp3'], 'hint: name a media file with its flag: evolink ref "…" -a song.mp3'],
  [
    ['t2v', 'a', 'paper', 'boat'],
    'hint: put the whole prompt in quotes: evolink t2v "a paper boat in the rain"',
  ],
  [['i2v', 'a', 'boat', '-i', 'first.jpg'], 'hint: put the whole prompt in quotes'],
  [['version'], 'hint: evolink --version'],
  [['-v'], 'hint: evolink --version'],
  [['ls'], 'hint: evolink status'],
  [['login'], 'hint: set EVOLINK_API_KEY'],
  [['cancel', 'task-1'], 'hint: the service cannot cancel a task'],
])('%j is refused with what was probably meant', async (args, hint) => {
  const { code, stderr } = await rig.home.run(args);
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining(hint) });
  expect(rig.posts()).toBe(0);
});

test('a balance that is too low is said with both numbers, and nothing was charged', async () => {
  const { code, stdout, stderr } = await rig.home.run(['t2v', 'boat', '--json']);
  expect({ code, stderr }).toEqual({
    code: 4,
    stderr: expect.stringContaining('need 67.5 credits, have 12.0'),
  });
  expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'credits', charged: 'no' } });
  expect(rig.charged()).toBe(0);
});
