import { basename, relative } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  fillPattern,
  OUTPUT_FIELDS,
  type OutputField,
  type OutputFields,
  planOutput,
  toSafeName,
  toShortId,
  toSlug,
} from '../../../src/config/output.ts';
import { partPaths } from '../../../src/download/part-file.ts';

describe('names that are safe everywhere', () => {
  it.each([
    ['../../etc/passwd', 'etc-passwd'],
    ['-rf', 'rf'],
    ['16:9', '16x9'],
    ['a\u0000b\u0001c\u007f', 'abc'],
    ['a\u001b]0;pwn\u0007b\u001b[31mc\u001bPq\u001b\\d', 'abcd'],
    ['\u202egpj.exe', 'gpj.exe'],
    ['CON.txt', 'CON_.txt'],
    ['com1', 'com1-'],
    ['초록 개구리', '초록 개구리'],
  ])('%j → %j', (value, name) => {
    expect(toSafeName(value)).toBe(name);
  });

  it('holds for any text: nothing left to do, nothing that leaves its place', () => {
    const hostile = ['..', 'con', 'nul', '\ud83d', ...'/\\. -:\u202e\u200b한1'];
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.array(fc.constantFrom(...hostile)).map((parts) => parts.join('')),
    );
    fc.assert(
      fc.property(text, (value) => {
        const name = toSafeName(value);
        expect(toSafeName(name)).toBe(name);
        expect(name).not.toMatch(/[/\\<>:"|?*\p{Cc}\p{Bidi_Control}]|^[\s.-]|[\s.]$/u);
        expect(name).toBe(name.normalize('NFC'));
      }),
      { numRuns: 3000 },
    );
  });

  it.each([
    ['A macro lens focuses on a green glass frog', 'a-macro-lens-focuses-on-a-green-glass'],
    ['초록 유리 개구리가, 잎 위에 🐸', '초록-유리-개구리가-잎-위에'],
    ['ضفدع زجاجي', 'ضفدع-زجاجي'],
    ['🐸🐸', ''],
    ['글'.repeat(500), '글'.repeat(32)],
  ])('the slug of %j', (prompt, slug) => {
    expect(toSlug(prompt)).toBe(slug);
  });

  it('a slug is bounded, safe and final for any prompt', () => {
    const prompt = fc.oneof(fc.string({ unit: 'binary', maxLength: 400 }), fc.lorem({ maxCount: 60 }));
    fc.assert(
      fc.property(prompt, (text) => {
        const slug = toSlug(text);
        expect(Buffer.byteLength(slug)).toBeLessThanOrEqual(96);
        expect(toSlug(slug)).toBe(slug);
        expect(slug).toMatch(/^[\p{L}\p{N}\p{M}-]*$/u);
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    ['task-unified-1757156493-imcg5zqt', 'imcg5zqt'],
    ['imcg5zqt', 'imcg5zqt'],
    ['550e8400-e29b-41d4-a716-446655440000', '446655440000'],
    ['', ''],
  ])('the short form of the task id %j', (taskId, id) => {
    expect(toShortId(taskId)).toBe(id);
    expect(toShortId(id)).toBe(id);
  });
});

type More = { readonly fields?: readonly OutputField[]; readonly isWindows?: boolean };
const isFolder = (path: string) => path === '/work/clips/old' || path === '/work';
const plan = (output?: string, more: More = {}) =>
  planOutput({ output, cwd: '/work/clips', onExisting: 'refuse', isFolder, ...more });

describe('what -o says', () => {
  it.each([
    [undefined, '/work/clips', '{slug}-{id}.mp4'],
    ['clip.MP4', '/work/clips', 'clip.MP4'],
    ['../clip', '/work', 'clip.mp4'],
    ['new/', '/work/clips/new', '{slug}-{id}.mp4'],
    ['old', '/work/clips/old', '{slug}-{id}.mp4'],
    ['..', '/work', '{slug}-{id}.mp4'],
    ['out/{job}/{ratio}.mp4', '/work/clips/out', '{job}/{ratio}.mp4'],
    ['../{date}//./{slug}', '/work', '{date}/{slug}.mp4'],
    ['{date}/', '/work/clips', '{date}/{slug}-{id}.mp4'],
    ['a{{b}}/{{c}}', '/work/clips/a{b}', '{{c}}.mp4'],
  ])('%j', (output, folder, pattern) => {
    expect(plan(output)).toEqual({ kind: 'file', folder, pattern, onExisting: 'refuse' });
  });

  const WINDOWS = { isWindows: true };
  it.each<[string, string, string, More?]>([
    ['clip.mov', 'ends in ".mov"', 'name it "clip.mp4"'],
    ['{slag}.mp4', 'unknown field {slag}', 'did you mean {slug}?'],
    ['{{slug}}.mp4', 'output fields take single braces', 'write {slug}'],
    ['a{b.mp4', 'without its partner', 'write "{{" for the character itself'],
    ['{job}/../x', '".." after a field', 'put ".." before the first {field}: -o "../clips/{slug}.mp4"'],
    ['a\0b', 'control characters', 'name a file, a folder or a pattern: -o clips/'],
    ['https://x.example/a.mp4', 'is a URL', 'name a file, a folder or a pattern: -o clips/'],
    ['{job}.mp4', 'has no value here', 'fields with a value: {slug} {id}', { fields: ['slug', 'id'] }],
    ['CON', 'it stands for a device', 'choose another name with -o', WINDOWS],
    ['clips/Com1.final.mp4', 'it stands for a device', 'choose another name with -o', WINDOWS],
    ['clip.mp4:hidden', 'it has :', 'choose another name with -o', WINDOWS],
    ['clips./clip.mp4', 'it ends in a dot or a space', 'choose another name with -o', WINDOWS],
  ])('refuses %j before anything is paid for', (output, says, hint, more) => {
    const refusal = { kind: 'usage', message: expect.stringContaining(says), facts: { charged: 'no', hint } };
    expect(() => plan(output, more)).toThrow(expect.objectContaining(refusal));
    if (more === WINDOWS) expect(plan(output, { isWindows: false })).toMatchObject({ kind: 'file' });
  });

  it.each(['../clips/{slug}-{id}.mp4', 'console.mp4', 'com/clip', 'a.b.mp4'])(
    '%j is a name on Windows too',
    (output) => {
      expect(plan(output, WINDOWS)).toMatchObject({ kind: 'file' });
    },
  );
});

const fill = (pattern: string, fields: OutputFields) =>
  fillPattern({ kind: 'file', folder: '/out', pattern, onExisting: 'refuse' }, fields);
const LINK = 'https://files.example/a/clip.mp4?signature=secret';
const part = (target: string, taskId = 'task-1', link = LINK) => partPaths({ target, taskId, link });

describe('a pattern, filled in', () => {
  it.each<[string, OutputFields, string]>([
    [
      '{slug}-{id}.mp4',
      { slug: 'A frog!', id: 'task-unified-1757156493-imcg5zqt' },
      '/out/a-frog-imcg5zqt.mp4',
    ],
    ['{date}-{ratio}.mp4', { date: '2026-11-21', ratio: '16:9' }, '/out/2026-11-21-16x9.mp4'],
    ['{job}/{index}.mp4', { job: '../../etc', index: '7' }, '/out/etc/7.mp4'],
    ['{job}{index}.mp4', { job: 'com', index: '1' }, '/out/com1_.mp4'],
    ['{slug}.mp4', { slug: '🐸' }, '/out/video.mp4'],
    ['con.mp4', {}, '/out/con.mp4'],
    ['-{slug}.mp4', { slug: 'x' }, '/out/-x.mp4'],
    ['{{{slug}}}.MP4', { slug: 'x' }, '/out/{x}.MP4'],
  ])('%j', (pattern, fields, path) => {
    expect(fill(pattern, fields)).toBe(path);
  });

  it.each(['../x.mp4', ''])('%j leads out of the folder', (pattern) => {
    expect(() => fill(pattern, {})).toThrow('leads out of');
  });

  it('holds for any values: inside, one folder deep, an MP4, short enough for its part as well', () => {
    const value = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 300 }),
      fc.constantFrom('..', '.', '/', '\\..\\', 'CON', ''),
    );
    const values = Object.fromEntries(OUTPUT_FIELDS.map((field) => [field, value]));
    const fields = fc.record(values, { requiredKeys: [] });
    const pattern = fc.constantFrom(
      '{slug}-{id}.mp4',
      'x-{model}{ratio}.mp4',
      '{job}{index}{date}{slug}.mp4',
    );
    fc.assert(
      fc.property(fields, pattern, (filled, text) => {
        const path = fill(text, filled);
        expect(relative('/out', path)).not.toMatch(/[/\\\p{Cc}]|^\./u);
        expect(path).toMatch(/[^.]\.mp4$/);
        expect(Buffer.byteLength(basename(part(path).record))).toBeLessThanOrEqual(255);
        expect(part(path).part).toContain(basename(path));
      }),
      { numRuns: 2000 },
    );
  });
});

describe('the part of a target', () => {
  it('lies beside it, shows nothing of the signature, and is never cut inside a letter', () => {
    const { part: path, record } = part('/out/clip.mp4');
    expect(path).toMatch(/^\/out\/\.clip\.mp4\.[0-9a-f]{8}\.part$/);
    expect(record).toBe(`${path}.json`);
    expect(part('/out/clip.mp4', 'task-1', LINK.replace('secret', 'other')).part).toBe(path);
    expect(part(`/out/${'한'.repeat(83)}.mp4`).record).not.toContain('\ufffd');
  });

  it.each([
    ['task-2', LINK],
    ['task-1', 'https://files.example/b/clip.mp4'],
    ['task-1', 'https://other.example/a/clip.mp4'],
    ['task-1', 'http://files.example/a/clip.mp4'],
  ])('is another for %s of %s', (taskId, link) => {
    expect(part('/out/clip.mp4', taskId, link).part).not.toBe(part('/out/clip.mp4').part);
  });
});
