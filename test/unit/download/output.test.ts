import { basename, relative } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OUTPUT_FIELDS, type OutputField, type OutputFields } from '../../../src/config/output-pattern.ts';
import { fillPattern, nameBytes, partPaths, planOutput } from '../../../src/download/output.ts';

const plan = (output: string | undefined, fields?: readonly OutputField[]) =>
  planOutput({
    output,
    cwd: '/work/clips',
    onExisting: 'refuse',
    isFolder: async (path) => path === '/work/clips/old' || path === '/work',
    fields,
  });

describe('planOutput', () => {
  it.each([
    [undefined, '/work/clips', '{slug}-{id}.mp4'],
    ['clip', '/work/clips', 'clip.mp4'],
    ['clip.MP4', '/work/clips', 'clip.MP4'],
    ['v1.2', '/work/clips', 'v1.2.mp4'],
    ['sub/clip.mp4', '/work/clips/sub', 'clip.mp4'],
    ['../clip', '/work', 'clip.mp4'],
    ['/abs/clip', '/abs', 'clip.mp4'],
    ['new/', '/work/clips/new', '{slug}-{id}.mp4'],
    ['old', '/work/clips/old', '{slug}-{id}.mp4'],
    ['.', '/work/clips', '{slug}-{id}.mp4'],
    ['..', '/work', '{slug}-{id}.mp4'],
    ['out/{job}/{ratio}.mp4', '/work/clips/out', '{job}/{ratio}.mp4'],
    ['../{date}//./{slug}', '/work', '{date}/{slug}.mp4'],
    ['{date}/', '/work/clips', '{date}/{slug}-{id}.mp4'],
    ['a{{b}}/{{c}}', '/work/clips/a{b}', '{{c}}.mp4'],
  ])('%j', async (output, folder, pattern) => {
    expect(await plan(output)).toEqual({ kind: 'file', folder, pattern, onExisting: 'refuse' });
  });

  it('- is standard output', async () => {
    expect(await plan('-')).toEqual({ kind: 'stdout' });
  });

  it.each([
    ['clip.mov', 'ends in ".mov"', 'name it "clip.mp4"'],
    ['{slug}.webm', 'ends in ".webm"', 'name it "{slug}.mp4"'],
    ['{slag}.mp4', 'unknown field {slag}', 'did you mean {slug}?'],
    ['{}.mp4', 'unknown field {}', 'fields have a name: {slug}'],
    ['{{slug}}.mp4', 'output fields take single braces', 'write {slug}'],
    ['a{b.mp4', 'without its partner', 'write "{{" for the character itself'],
    ['{job}/../x', '".." after a field', 'put ".." before the first {field}: -o "../clips/{slug}.mp4"'],
    ['  ', 'the output is empty', 'name a file, a folder or a pattern: -o clips/'],
    ['a\0b', 'control characters', undefined],
    ['https://x.example/a.mp4', 'is a URL', 'name a file, a folder or a pattern: -o clips/'],
  ])('refuses %j', async (output, message, hint) => {
    const error = await plan(output).catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      kind: 'usage',
      message: expect.stringContaining(message),
      ...(hint === undefined ? {} : { facts: { hint } }),
    });
  });

  it('refuses a field that has no value here', async () => {
    await expect(plan('{job}.mp4', ['slug', 'id'])).rejects.toMatchObject({
      kind: 'usage',
      facts: { hint: 'fields with a value: {slug} {id}' },
    });
  });
});

const fill = (pattern: string, fields: OutputFields) =>
  fillPattern({ kind: 'file', folder: '/out', pattern, onExisting: 'refuse' }, fields);

describe('fillPattern', () => {
  it.each<[string, OutputFields, string]>([
    [
      '{slug}-{id}.mp4',
      { slug: 'A green glass frog!', id: 'task-unified-1757156493-imcg5zqt' },
      '/out/a-green-glass-frog-imcg5zqt.mp4',
    ],
    [
      '{date}-{slug}-{ratio}.mp4',
      { date: '2026-11-21', slug: 'frog', ratio: '16:9' },
      '/out/2026-11-21-frog-16x9.mp4',
    ],
    ['{job}/{index}.mp4', { job: '../../etc', index: '7' }, '/out/etc/7.mp4'],
    ['{job}.mp4', { job: '/etc/passwd' }, '/out/etc-passwd.mp4'],
    ['{job}.mp4', { job: 'a.exe\u202e' }, '/out/a.exe.mp4'],
    ['{job}.mp4', { job: 'nul' }, '/out/nul_.mp4'],
    ['{job}{index}.mp4', { job: 'com', index: '1' }, '/out/com1_.mp4'],
    ['{slug}.mp4', { slug: '🐸' }, '/out/video.mp4'],
    ['{tier}.mp4', {}, '/out/none.mp4'],
    ['con.mp4', {}, '/out/con.mp4'],
    ['-{slug}.mp4', { slug: 'x' }, '/out/-x.mp4'],
    ['{{{slug}}}.mp4', { slug: 'x' }, '/out/{x}.mp4'],
    ['{slug}.MP4', { slug: 'x' }, '/out/x.MP4'],
  ])('%j', (pattern, fields, path) => {
    expect(fill(pattern, fields)).toBe(path);
  });

  it('proves that the result lies in the folder', () => {
    expect(() => fill('../x.mp4', {})).toThrow('leads out of');
    expect(() => fill('', {})).toThrow('leads out of');
  });

  it('holds for any values: inside, one folder deep, an MP4, short enough for its part as well', () => {
    const value = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 300 }),
      fc.constantFrom('..', '.', '/', '\\..\\', 'CON', ''),
    );
    const fields = fc.record(Object.fromEntries(OUTPUT_FIELDS.map((field) => [field, value])), {
      requiredKeys: [],
    });
    fc.assert(
      fc.property(
        fields,
        fc.constantFrom(
          '{slug}-{id}.mp4',
          '{job}.mp4',
          'x-{model}{ratio}.mp4',
          '{job}{index}{date}{slug}.mp4',
        ),
        (values, pattern) => {
          const path = fill(pattern, values);
          const inside = relative('/out', path);
          expect(inside).not.toMatch(/[/\\\p{Cc}]|^\./u);
          expect(path).toMatch(/[^.]\.mp4$/);
          const { part, record } = partPaths(path, {
            taskId: 'task',
            link: 'https://files.example/a.mp4?x=1',
          });
          expect(nameBytes(basename(record))).toBeLessThanOrEqual(255);
          expect(basename(part)).toContain(basename(path));
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe('partPaths', () => {
  const source = { taskId: 'task-1', link: 'https://files.example/a/clip.mp4?signature=secret#x' };

  it('lie beside the target, and show nothing of the signature', () => {
    const { part, record } = partPaths('/out/clip.mp4', source);
    expect(part).toMatch(/^\/out\/\.clip\.mp4\.[0-9a-f]{8}\.part$/);
    expect(record).toBe(`${part}.json`);
    expect(
      partPaths('/out/clip.mp4', { ...source, link: 'https://files.example/a/clip.mp4?signature=other' })
        .part,
    ).toBe(part);
  });

  it.each([
    ['task', { ...source, taskId: 'task-2' }],
    ['path', { ...source, link: 'https://files.example/b/clip.mp4' }],
    ['host', { ...source, link: 'https://other.example/a/clip.mp4' }],
    ['scheme', { ...source, link: 'http://files.example/a/clip.mp4' }],
  ])('differ by %s', (_, other) => {
    expect(partPaths('/out/clip.mp4', other).part).not.toBe(partPaths('/out/clip.mp4', source).part);
  });

  it('shorten a name at the limit, never inside a letter', () => {
    const { record } = partPaths(`/out/${'한'.repeat(83)}.mp4`, source);
    expect(nameBytes(basename(record))).toBeLessThanOrEqual(255);
    expect(record).not.toContain('\ufffd');
  });
});
