import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { fixture } from '../helpers/media-fixtures.ts';
import { expectSaid, homeForEach, jsonOf, useRunRig } from '../helpers/rig.ts';
import { words } from '../helpers/spawn-cli.ts';

const SMALL = ['-d', '4', '-q', '480p'];
const REF_PROMPT = 'video 1 in the style of image 1 and image 2, audio 1 as music';

const home = homeForEach({ EVOLINK_INTERNAL_CLOCK_RATE: '40' });

const run = (line: string, env: Record<string, string> = {}) => home.run(words(line), { env });

/** Copies fixtures into the working directory. */
function bring(...names: string[]): void {
  for (const name of names) copyFileSync(fixture(name), home.at(name));
}

/** A service that several commands talk to: its environment, and what it was asked. */
async function startService() {
  const { sandbox } = await useRunRig();
  const requests = () => sandbox.ledger.requests().map(({ method, path }) => `${method} ${path}`);
  return {
    env: {
      EVOLINK_BASE_URL: sandbox.apiUrl,
      EVOLINK_FILES_URL: sandbox.filesUrl,
      EVOLINK_API_KEY: 'sandbox-key-0001',
    },
    requests,
    uploads: () => requests().filter((line) => line.includes('/upload/stream')).length,
    tasks: () => sandbox.ledger.charges().length,
  };
}

describe('local media', () => {
  it('mixed with URLs: order kept, roles shown, seconds priced, sent as URLs', async () => {
    const { env, uploads } = await startService();
    bring('jpeg.jpg', 'mp4.mp4', 'wav.wav');
    const media = '-i https://example.com/style.png -i jpeg.jpg -v mp4.mp4 -a wav.wav';
    expectSaid(
      await run(`ref "${REF_PROMPT}" ${media} -d 4 -q 480p -o clip.mp4 --sidecar`, env),
      0,
      'media: image 1 = https://example.com/style.png',
      'media: image 2 = jpeg.jpg, 640×480',
      'media: video 1 = mp4.mp4, 720×576, 2.5 s',
      'about 30.672 credits',
    );
    const { request } = home.readJson('clip.mp4.json');
    expect(request.image_urls).toEqual([
      'https://example.com/style.png',
      expect.stringMatching(/^http:\/\/127.*\.jpg$/),
    ]);
    expect(uploads()).toBe(3);
  });

  it.each([
    ['i2v -i jpeg.jpg exif-6.jpg|a prompt', ['jpeg.jpg', 'exif-6.jpg']],
    ['i2v -i jpeg.jpg|a prompt', ['jpeg.jpg']],
    ['i2v|a prompt|--image=jpeg.jpg exif-6.jpg', ['jpeg.jpg', 'exif-6.jpg']],
    ['ref -i png.png|a prompt|jpeg.jpg -i exif-6.jpg --mute', ['png.png', 'jpeg.jpg', 'exif-6.jpg']],
    ['ref -i png.png https://example.com/style|a prompt', ['png.png', 'https://example.com/style']],
    ['ref -i png.png -p --|-d 4 -- jpeg.jpg', undefined],
  ])('as people type them: %s', async (line, images) => {
    bring('png.png', 'jpeg.jpg', 'exif-6.jpg');
    const args = line.split('|').flatMap((part, index) => (index === 1 ? [part] : part.split(' ')));
    const { code, stdout } = await home.run([...args, '--dry-run']);
    expect(code).toBe(images === undefined ? 2 : 0);
    const whole = images?.map((path) => (path.startsWith('https') ? path : home.at(path)));
    if (images !== undefined)
      expect(JSON.parse(stdout)).toMatchObject({ prompt: 'a prompt', image_urls: whole });
  });

  it('of i2v are the first and the last frame', async () => {
    bring('jpeg.jpg', 'exif-6.jpg');
    const { stderr, stdout } = await run('i2v "day turns" --first jpeg.jpg --last exif-6.jpg --dry-run');
    expect(stderr).toContain('image 1 (first frame) = jpeg.jpg, 640×480');
    expect(stderr).toContain('image 2 (last frame) = exif-6.jpg, 480×640');
    expect(JSON.parse(stdout).image_urls).toEqual([home.at('jpeg.jpg'), home.at('exif-6.jpg')]);
  });

  it('of a job file are looked for beside it', async () => {
    mkdirSync(home.at('jobs/assets'), { recursive: true });
    copyFileSync(fixture('png.png'), home.at('jobs/assets/style.png'));
    const job = { type: 'ref', prompt: 'in the style of image 1', images: ['assets/style.png'] };
    home.write('jobs/job.json', job);
    const { code, stdout } = await run('ref -f jobs/job.json --dry-run');
    expect(code).toBe(0);
    expect(JSON.parse(stdout).image_urls).toEqual([home.at('jobs/assets/style.png')]);
  });

  it('of a plan are named with their roles, each once; what is not known of a price is said', async () => {
    bring('jpeg.jpg', 'exif-6.jpg', 'mp4.mp4');
    home.write(
      'jobs.yaml',
      [
        'version: 1',
        'jobs:',
        '  hero: { type: i2v, prompt: p, images: [jpeg.jpg, exif-6.jpg], matrix: { duration: [4, 8] } }',
        '  known: { type: ref, prompt: video 1, videos: [mp4.mp4] }',
        '  open: { type: ref, prompt: video 1, videos: ["https://example.com/a.mp4?signature=secret"] }',
      ].join('\n'),
    );
    expectSaid(
      await run('run jobs.yaml --dry-run --sandbox'),
      0,
      'media: image 1 (first frame) = jpeg.jpg, 640×480 (2 jobs)\n',
      'media: image 2 (last frame) = exif-6.jpg, 480×640 (2 jobs)\n',
      'media: video 1 = mp4.mp4, 720×576, 2.5 s (known)\n',
      'media: video 1 = https://example.com/a.mp4?*** (open)\n',
      ', 1 of unknown price\n',
      'warning: the price is not known: the length of the reference videos is not known; it is between 82.22 and 164.43 credits',
      '"exif-6.jpg" has another shape than the first frame, and will be cut to it (2 jobs)',
    );
  });

  it('of a plan are told apart by their folders', async () => {
    for (const folder of ['A', 'B']) {
      mkdirSync(home.at(folder));
      copyFileSync(fixture('png.png'), join(home.work, folder, 'front.png'));
    }
    const job = (folder: string) => ({ type: 'i2v', prompt: 'p', first: `${folder}/front.png` });
    home.write('jobs.json', { version: 1, jobs: { a: job('A'), b: job('B') } });
    const { stderr } = await run('run jobs.json --dry-run --sandbox');
    expect(stderr).toContain('= A/front.png, 640×480 (a)\n');
    expect(stderr).toContain('= B/front.png, 640×480 (b)\n');
  });

  it('show in a dry run what would be uploaded, with no key and no request', async () => {
    bring('png.png');
    const env = { EVOLINK_BASE_URL: 'http://127.0.0.1:1', EVOLINK_FILES_URL: 'http://127.0.0.1:1' };
    const { code, stdout } = await run('ref "like image 1" -i png.png --dry-run --json', env);
    expect(code).toBe(0);
    const path = home.at('png.png');
    expect(JSON.parse(stdout)).toMatchObject({
      request: { body: { image_urls: [path] } },
      media: [{ name: 'image 1', format: 'png', width_px: 640, height_px: 480, ok: true }],
      uploads: [
        { placeholder: path, mime_type: 'image/png', sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
      ],
    });
    expect(existsSync(home.state)).toBe(false);
  });

  it('that do not fit are named all at once, with commands that fix them; nothing is sent', async () => {
    const { env, requests } = await startService();
    const images = ['all-wrong.png', 'heic.heic', 'truncated.jpg', "a picture's name $(x) 그림.png"];
    bring(...images, 'seconds-15.5.mp4');
    const media = [...images.flatMap((name) => ['-i', name]), ...words('-v seconds-15.5.mp4 -a missing.mp3')];
    const args = ['ref', REF_PROMPT, ...media, '-d', '99'];
    const { code, stderr, stdout } = await home.run(args, { env });
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain('the request has 7 problems; nothing was sent');
    expect(stderr).toContain('is 45 times as wide as high');
    expect(stderr).toContain(
      'to fix it: ffmpeg -i all-wrong.png -vf crop=490:200,scale=742:304 -frames:v 1 all-wrong-fixed.png',
    );
    expect(stderr).toContain("to fix it: magick 'heic.heic[0]' -auto-orient heic-heic-fixed.jpg");
    expect(stderr).toContain('is not whole');
    expect(stderr).toContain("ffmpeg -i 'a picture'\\''s name $(x) 그림.png'");
    expect(stderr).toContain('audio 1 "missing.mp3" does not exist: check the path');
    expect(stderr).toContain('-t 15 ');
    expect(stderr).toContain('--duration');
    expect(requests()).toEqual([]);
  });

  it('that are too long together are refused, with the cut that makes them fit', async () => {
    bring('seconds-15.mp4', 'mp4.mp4');
    expectSaid(
      await run('ref "video 1 and video 2" -v seconds-15.mp4 -v mp4.mp4 --dry-run'),
      2,
      'are 17.5 s together (15 + 2.5): at most 15 s',
      'ffmpeg -i seconds-15.mp4 -t 12.5',
    );
  });

  it('leave the price open where the length of a video is not known', async () => {
    const url = 'https://example.com/clip.mp4';
    const { stderr, stdout } = await home.run(['ref', 'like video 1', '-v', url, '--dry-run', '--json']);
    expect(stderr).toBe('');
    expect(JSON.parse(stdout).estimate).toMatchObject({
      credits: null,
      reason: 'the length of the reference videos is not known',
      at_most: 164.43,
    });
    expect(
      (await home.run(['ref', 'like video 1', '-v', url, '--dry-run', '--max-credits', '100'])).code,
    ).toBe(4);
  });
});

describe('what makes a request the same', () => {
  it('is the content of its files: attaching uploads nothing, a changed file is another request', async () => {
    const { env, uploads, tasks } = await startService();
    bring('png.png', 'jpeg.jpg');
    const command = (name: string) => ['ref', 'like image 1', '-i', name, ...SMALL, '-o', 'clip.mp4'];
    const first = await home.run([...command('png.png'), '--no-wait'], { env });
    expect(first.code).toBe(0);
    rmSync(join(home.state, 'uploads'), { recursive: true });
    renameSync(home.at('png.png'), home.at('renamed.jpg'));
    expectSaid(await home.run(command('renamed.jpg'), { env }), 0, `attached: ${first.stdout.trim()}`);
    expect([uploads(), tasks()]).toEqual([1, 1]);
    const third = await home.run([...command('jpeg.jpg'), '--overwrite'], { env });
    expect(third.stderr).not.toContain('attached');
    expect([uploads(), tasks()]).toEqual([2, 2]);
  });

  it('an output that exists is refused before anything is uploaded', async () => {
    const { env, requests } = await startService();
    bring('png.png');
    home.write('clip.mp4', 'mine');
    expect((await run('ref "like image 1" -i png.png -d 4 -q 480p -o clip.mp4', env)).code).toBe(11);
    expect(requests()).toEqual([]);
  });
});

describe('evolink upload', () => {
  it('from two processes at once sends the file once; both print its URL', async () => {
    const { env, uploads } = await startService();
    bring('jpeg-late-size.jpg');
    const both = await Promise.all(
      [1, 2].map(() => home.run(['upload', 'jpeg-late-size.jpg'], { env, asProcess: true })),
    );
    expect(both.map(({ code }) => code)).toEqual([0, 0]);
    expect(both[0]?.stdout).toBe(both[1]?.stdout);
    expect(both[0]?.stdout).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/f\/\S+\.jpg\n$/);
    expect(uploads()).toBe(1);
    const later = await run('upload jpeg-late-size.jpg --json', env);
    expect(jsonOf(later)).toMatchObject({
      ok: true,
      files: [{ reused: true, url: both[0]?.stdout.trim() }],
    });
    expect(uploads()).toBe(1);
  });

  it('lists and deletes, and a deleted file is sent anew', async () => {
    const { env, uploads } = await startService();
    bring('png.png', 'wav.wav');
    const sent = await run('upload png.png wav.wav', env);
    expect(sent.stdout.trim().split('\n')).toHaveLength(2);
    const { files, quota } = jsonOf(await run('upload --list --json', env));
    expect(files).toHaveLength(2);
    expect(quota).toMatchObject({ used: 2, max: 500 });
    const { file_id: id } = files.find(({ file_name: name }: { file_name: string }) => name === 'png.png');
    expect((await home.run(['upload', '--delete', id], { env })).stdout).toBe(`${id}\n`);
    expectSaid(await home.run(['upload', '--delete', id], { env }), 2, 'has no file');
    await run('upload png.png wav.wav', env);
    expect(uploads()).toBe(3);
  });

  it.each([
    [['upload'], 'name a file to upload'],
    [['upload', 'png.png', '--list'], 'are two commands'],
    [['upload', 'truncated.jpg', 'png.png'], "1 of 2 files can't be used; nothing was uploaded"],
  ])('refuses %j', async (args, text) => {
    bring('png.png', 'truncated.jpg');
    expectSaid(
      await home.run(args, {
        env: { EVOLINK_API_KEY: 'sandbox-key-0001', EVOLINK_FILES_URL: 'http://127.0.0.1:1' },
      }),
      2,
      text,
    );
  });

  it('says of a URL that there is nothing to upload, and of a file that is not there in JSON', async () => {
    expectSaid(
      await run('upload https://example.com/a.png --sandbox'),
      2,
      '"https://example.com/a.png" is a URL already',
    );
    const gone = await run('upload --delete nope --json --sandbox');
    expect(gone.code).toBe(2);
    expect(jsonOf(gone)).toMatchObject({ ok: false, error: { code: 'usage' }, deleted: [] });
  });

  it('without a key says so', async () => {
    bring('png.png');
    expect((await run('upload png.png')).code).toBe(3);
  });
});

describe('evolink check', () => {
  it('says of each file whether it fits, and ends with 0 or 2', async () => {
    bring('png.png', 'mp4.mp4', 'gif.gif');
    const good = await run('check png.png mp4.mp4');
    expect([good.code, good.stdout, good.stderr]).toEqual([
      0,
      'ok: png.png (png, 640×480, 2.2 KiB)\nok: mp4.mp4 (mp4, 720×576, 2.5 s, 24 fps, avc, 10.0 KiB)\n',
      '',
    ]);
    const bad = await run('check png.png gif.gif --json');
    expect(bad.code).toBe(2);
    expect(jsonOf(bad)).toMatchObject({
      ok: false,
      error: { code: 'usage', exit: 2, charged: 'no' },
      files: [
        { ok: true },
        {
          ok: false,
          format: 'gif',
          problems: [{ rule: 'type' }],
          fix: { command: ['ffmpeg', '-i', 'gif.gif', '-frames:v', '1', '-q:v', '3', 'gif-gif-fixed.jpg'] },
        },
      ],
    });
  });

  it('says of a job file without media that it has none', async () => {
    home.write('bare.yaml', 'jobs: { boat: { type: t2v, prompt: A boat } }\n');
    expect(await run('check bare.yaml')).toMatchObject({ code: 0, stdout: 'no media: bare.yaml\n' });
  });

  it('looks at the media of all jobs of a file, sums included', async () => {
    bring('png.png', 'seconds-15.wav', 'wav.wav');
    const jobs = {
      one: { type: 'i2v', prompt: 'p', first: 'png.png' },
      two: { type: 'ref', prompt: 'p', images: ['png.png'], audios: ['seconds-15.wav', 'wav.wav'] },
    };
    home.write('jobs.json', { version: 1, jobs });
    const { code, stdout, stderr } = await run('check jobs.json');
    expect(code).toBe(2);
    expect(stdout).toContain('ok: image 1 = png.png');
    expect(stderr).toContain('are 17.5 s together');
    expect((await run('check jobs.json --job one')).code).toBe(0);
  });

  it('looks at the jobs of a matrix, of rows and of a body of the API, shared media once', async () => {
    bring('png.png', 'jpeg.jpg', 'gif.gif');
    home.write('rows.csv', 'file\njpeg.jpg\ngif.gif\n');
    home.write(
      'jobs.yaml',
      [
        'version: 1',
        'jobs:',
        '  hero: { type: i2v, prompt: p, images: [png.png], matrix: { aspect_ratio: ["16:9", "9:16"] } }',
        '  row: { type: ref, prompt: p, images: ["{{file}}"], for_each: rows.csv }',
      ].join('\n'),
    );
    const all = await run('check jobs.yaml --json');
    expect(all.code).toBe(2);
    const { files } = jsonOf(all);
    expect(
      files.map(({ location, ok }: { location: string; ok: boolean }) => [basename(location), ok]),
    ).toEqual([
      ['png.png', true],
      ['jpeg.jpg', true],
      ['gif.gif', false],
    ]);
    expect((await run('check jobs.yaml --job hero')).code).toBe(0);
    const missing = await run('check jobs.yaml --job hreo');
    expect([missing.code, missing.stderr]).toEqual([2, expect.stringContaining('--job "hreo" means no job')]);
    const body = {
      model: 'seedance-2.0-reference-to-video',
      prompt: 'p',
      image_urls: ['png.png', 'gif.gif'],
    };
    home.write('body.json', body);
    expect((await run('check body.json')).stdout).toBe(
      'ok: image 1 = png.png (png, 640×480, 2.2 KiB)\nrejected: image 2 = gif.gif (gif, 4.4 KiB)\n',
    );
  });

  it('refuses in a job file what a run refuses, and says in which job and where a file stands', async () => {
    bring('png.png', 'gif.gif');
    home.write(
      'jobs.yaml',
      [
        'version: 1',
        'jobs:',
        '  sound: { type: ref, prompt: p, audios: ["https://example.com/a.mp3"] }',
        '  three: { type: i2v, prompt: p, images: [png.png, png.png, png.png] }',
        '  text: { type: t2v, prompt: p, images: [png.png] }',
        '  inner: { type: i2v, prompt: p, first: "http://10.0.0.1/a.png" }',
        '  frame: { type: i2v, prompt: p, first: gif.gif }',
      ].join('\n'),
    );
    const { code, stdout, stderr } = await run('check jobs.yaml');
    expect(code).toBe(2);
    for (const text of ['cannot stand alone', 'must be 1 to 2 images', 'takes no images', '10.0.0.1'])
      expect(stderr).toContain(text);
    expect(stdout).toContain('rejected: image 1 = gif.gif (gif, 4.4 KiB) in job frame\n');
    expect(stderr).toMatch(/first \(jobs\.yaml:7:\d+\): image 1 "gif\.gif"/);
    home.write('one.yaml', 'version: 1\njobs:\n  frame:\n    type: i2v\n    prompt: p\n    first: gif.gif\n');
    expectSaid(
      await run('run one.yaml --dry-run --sandbox'),
      2,
      /first \(one\.yaml:6:5\) "gif\.gif": .*gif, 4.4 KiB/,
      'ffmpeg -i gif.gif -frames:v 1 -q:v 3 gif-gif-fixed.jpg',
    );
  });

  it('says that a URL was not looked at, and what looks at it', async () => {
    const { code, stdout } = await run('check https://example.com/a.mp4');
    expect([code, stdout]).toEqual([0, 'unchecked: https://example.com/a.mp4 (--check-urls looks at it)\n']);
  });

  it('survives hostile files in silence', async () => {
    const names = readdirSync(fixture('')).filter((name) =>
      /truncated|empty|bomb|text|html|one-byte/.test(name),
    );
    const { code, stderr, stdout } = await home.run(['check', ...names.map(fixture), '--json']);
    expect(code).toBe(2);
    // Nothing but our own report: no library speaks.
    expect(stderr.split('\n').filter((line) => !/^(error:| {2}|hint:|$)/.test(line))).toEqual([]);
    expect(JSON.parse(stdout).files.every(({ ok }: { ok: boolean }) => !ok)).toBe(true);
  });
});

describe('the sandbox', () => {
  const hasFfmpeg = spawnSync('ffmpeg', ['-version'], { stdio: 'ignore' }).status === 0;

  /** Mean colour of one frame. */
  function colorAt(path: string, seconds: number): number[] {
    const args = words(
      `-v error -ss ${seconds} -i ${path} -frames:v 1 -vf scale=1:1:flags=area -f rawvideo -pix_fmt rgb24 -`,
    );
    return [...spawnSync('ffmpeg', args).stdout.subarray(0, 3)];
  }

  it.skipIf(!hasFfmpeg)(
    'opens the pictures of i2v: the first second is the first, the last second the last',
    async () => {
      for (const picture of ['red:s=640x480 red.png', 'blue:s=480x640 blue.webp'])
        spawnSync('ffmpeg', words(`-v error -f lavfi -i color=${picture.replace(' ', ' -frames:v 1 ')}`), {
          cwd: home.work,
        });
      const { code } = await run(
        'i2v "day turns" -i red.png -i blue.webp -d 4 -q 480p --sandbox -o clip.mp4',
      );
      expect(code).toBe(0);
      const clip = home.at('clip.mp4');
      const [first, middle, last] = [0.2, 2.2, 3.5].map((seconds) => colorAt(clip, seconds));
      expect(first?.[0]).toBeGreaterThan(200);
      expect(first?.[2]).toBeLessThan(60);
      expect(last?.[2]).toBeGreaterThan(200);
      expect(last?.[0]).toBeLessThan(60);
      expect(middle).not.toEqual(first);
    },
  );
});

describe('the media libraries', () => {
  const tracer = fileURLToPath(new URL('../helpers/trace-modules.mjs', import.meta.url));

  /** The text of every file of ours that a command loads, and the names of all. */
  async function loaded(args: readonly string[]): Promise<string> {
    const log = join(home.folder, 'loaded.log');
    writeFileSync(log, '');
    const { code, stderr } = await home.run(args, {
      nodeArgs: ['--import', tracer],
      env: { TRACE_MODULES: log },
    });
    expect([code, stderr]).toEqual([0, expect.not.stringContaining('Error')]);
    const urls = [...new Set(readFileSync(log, 'utf8').trim().split('\n'))];
    const files = urls.filter((url) => url.startsWith('file:') && url.includes('/dist/'));
    return [...urls, ...files.map((url) => readFileSync(new URL(url), 'utf8'))].join('\n');
  }

  /** Names that only the code of the libraries has; the bundle keeps them. */
  const LIBRARIES = /EncodedPacketSink|fileTypeFromBuffer/;

  it.each([
    [['t2v', 'a paper boat', '--dry-run']],
    [['ref', 'like image 1', '-i', 'https://example.com/a.png', '--dry-run']],
  ])('are not loaded for %j', async (args) => {
    const modules = await loaded(args);
    expect(modules).toContain('/dist/main.js');
    expect(modules).not.toMatch(LIBRARIES);
  });

  it('are not loaded for a local file, which another process reads', async () => {
    bring('png.png');
    expect(await loaded(['ref', 'like image 1', '-i', 'png.png', '--dry-run'])).not.toMatch(LIBRARIES);
  });

  it('are loaded by the sandbox that makes clips: the test can see them', async () => {
    expect(await loaded(['t2v', 'a paper boat', ...SMALL, '--sandbox', '--quiet'])).toMatch(LIBRARIES);
  });
});
