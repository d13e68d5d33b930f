import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { expectNoFile, useDownloadRig } from '../helpers/download-rig.ts';
import { useRig } from '../helpers/use-rig.ts';

/** `a` nine times as large as the one before, eight times over. */
const BOMB = ['a0: &a0 [x, x, x, x, x, x, x, x, x]']
  .concat(
    Array.from(
      { length: 8 },
      (_, level) =>
        `a${level + 1}: &a${level + 1} [${Array.from({ length: 9 }, () => `*a${level}`).join(', ')}]`,
    ),
  )
  .join('\n');

const FILES: readonly (readonly [string, string | Buffer])[] = [
  ['a bomb of aliases', `prompt: a frog\n${BOMB}\n`],
  ['10 MB', `prompt: a frog\n# ${'x'.repeat(10_000_000)}\n`],
  ['nested ten thousand deep', `prompt: ${'['.repeat(10_000)}${']'.repeat(10_000)}\n`],
  ['a key that reaches for prototypes', 'prompt: a frog\n__proto__: { duration: 15 }\n'],
  ['a merge key', 'base: &b { duration: 15 }\n<<: *b\nprompt: a frog\n'],
  ['a tag that would run code', 'prompt: !!js/function "function(){}"\n'],
  [
    'bytes that are not UTF-8',
    Buffer.concat([Buffer.from('prompt: '), Buffer.from([0xc3, 0x28, 0xff]), Buffer.from('\n')]),
  ],
];

describe('files of strangers (F59)', () => {
  it.each(FILES)('a job file with %s: refused at once, nothing is asked', async (_, text) => {
    const rig = await useRig();
    writeFileSync(join(rig.home.work, 'job.yaml'), text);
    const { code, stderr } = await rig.run(['t2v', '-f', 'job.yaml', '--json']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('job.yaml')]);
    expect(stderr.length).toBeLessThan(2_000);
    expect(rig.sandbox.ledger.requests()).toEqual([]);
  });

  it.each(FILES)('a project file with %s: refused at once, nothing is asked', async (_, text) => {
    const rig = await useRig();
    writeFileSync(join(rig.home.work, '.evolinkrc'), text);
    const { code, stderr } = await rig.run(['t2v', 'a frog', '--json']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('.evolinkrc')]);
    expect(rig.sandbox.ledger.requests()).toEqual([]);
  });
});

/** What moves a cursor, writes a clipboard, turns text around, or speaks to a build server. */
const HOSTILE =
  'oops\u001b[2J\u001b]52;c;ZXZpbA==\u0007\r\u202egpj.exe\u200b\n::set-output name=key::stolen\n##[error]x\u0085\u2028';

describe('texts of strangers (F60)', () => {
  it.each<[string, string]>([
    ['a page', `<html><title>${HOSTILE}</title></html>`],
    ['an XML document', `<?xml version="1.0"?><Error>${HOSTILE}</Error>`],
    ['a JSON document', JSON.stringify({ error: HOSTILE })],
  ])('%s in place of the video is quoted without its teeth', async (_, body) => {
    const rig = await useDownloadRig();
    rig.host.always({ body });
    const human = await rig.download(['-o', 'clip.mp4'], { env: { GITHUB_ACTIONS: 'true', CI: '1' } });
    expect(human.code).toBe(9);
    expect(human.stderr).toContain('oops');
    expect(human.stderr).not.toMatch(/[^\P{C}\n]|\u2028/u);
    expect(human.stderr).not.toMatch(/^\s*(::|##\[)/m);
    const json = await rig.download(['-o', 'clip.mp4', '--json']);
    expect(JSON.parse(json.stdout)).toMatchObject({ ok: false, error: { exit: 9 } });
    expect(json.stdout).not.toMatch(/[^\P{C}\n]/u);
    expectNoFile(rig);
  });

  it('a failed task is quoted the same way', async () => {
    const rig = await useDownloadRig();
    rig.answerWith(() =>
      rig.task({ status: 'failed', results: [], error: { code: 'bad\u001b[31m', message: HOSTILE } }),
    );
    const { code, stderr } = await rig.download();
    expect(code).toBe(5);
    expect(stderr).not.toMatch(/[^\P{C}\n]|\u2028/u);
    expect(stderr).not.toMatch(/^\s*(::|##\[)/m);
  });
});
