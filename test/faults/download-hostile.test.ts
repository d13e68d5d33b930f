import { describe, expect, it } from 'vitest';
import { expectNoFile, useDownloadRig } from '../helpers/download-rig.ts';
import { expectSaid, jsonOf } from '../helpers/rig.ts';

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
    expectSaid(human, 9, 'oops');
    expect(human.stderr).not.toMatch(/[^\P{C}\n]|\u2028/u);
    expect(human.stderr).not.toMatch(/^\s*(::|##\[)/m);
    const json = await rig.download(['-o', 'clip.mp4', '--json']);
    expect(jsonOf(json)).toMatchObject({ ok: false, error: { exit: 9 } });
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
