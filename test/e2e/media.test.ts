import { copyFileSync, existsSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fixture } from '../helpers/media-fixtures.ts';
import { each, expectSaid, homeForEach, jsonOf, rigForEach } from '../helpers/rig.ts';

const SMALL = '-d 4 -q 480p';
const REF_PROMPT = 'video 1 in the style of image 1 and image 2, audio 1 as music';

/** A machine that knows no service, and one that knows one. */
const home = homeForEach({ EVOLINK_INTERNAL_CLOCK_RATE: '40' });
const rig = rigForEach();
const requests = () => rig.sandbox.ledger.requests();
const uploads = () => rig.sandbox.ledger.count('POST', '/api/v1/files/upload/stream');

const run = (line: string, env = {}) => home.run(line, { env });
const NOWHERE = { EVOLINK_BASE_URL: 'http://127.0.0.1:1', EVOLINK_FILES_URL: 'http://127.0.0.1:1' };
const URL = 'https://example.com/a.mp4';
const PICTURE = readFileSync(fixture('png.png'));

/** Copies fixtures into the working directories. */
function bring(...names: string[]): void {
  for (const name of names) for (const one of [home, rig]) copyFileSync(fixture(name), one.at(name));
}
const jobsOf = (...lines: string[]) =>
  home.write('jobs.yaml', ['version: 1', 'jobs:', ...lines.map((line) => `  ${line}`)].join('\n'));

describe('local media', () => {
  it('mixed with URLs: order kept, roles shown, seconds priced, sent as URLs', async () => {
    bring('jpeg.jpg', 'mp4.mp4', 'wav.wav');
    const style = 'https://example.com/style.png';
    const media = `-i ${style} -i jpeg.jpg -v mp4.mp4 -a wav.wav`;
    const images = [`media: image 1 = ${style}`, 'media: image 2 = jpeg.jpg, 640×480'];
    const made = await rig.run(`ref "${REF_PROMPT}" ${media} ${SMALL} -o clip.mp4 --sidecar`);
    expectSaid(made, 0, ...images, 'media: video 1 = mp4.mp4, 720×576, 2.5 s', 'about 30.672 credits');
    const uploaded = expect.stringMatching(/^http:\/\/127.*\.jpg$/);
    expect(rig.readJson('clip.mp4.json').request.image_urls).toEqual([style, uploaded]);
    expect(uploads()).toBe(3);
  });

  it.each([
    ['i2v -i jpeg.jpg exif-6.jpg "a prompt"', ['jpeg.jpg', 'exif-6.jpg']],
    ['i2v -i jpeg.jpg "a prompt"', ['jpeg.jpg']],
    ['i2v "a prompt" --image=jpeg.jpg exif-6.jpg', ['jpeg.jpg', 'exif-6.jpg']],
    ['ref -i png.png "a prompt" jpeg.jpg -i exif-6.jpg --mute', ['png.png', 'jpeg.jpg', 'exif-6.jpg']],
    ['ref -i png.png https://example.com/style "a prompt"', ['png.png', 'https://example.com/style']],
    ['ref -i png.png -p -- "-d 4 -- jpeg.jpg"', undefined],
  ])('as people type them: %s', async (line, images) => {
    bring('png.png', 'jpeg.jpg', 'exif-6.jpg');
    const { code, stdout } = await run(`${line} --dry-run`);
    expect(code).toBe(images === undefined ? 2 : 0);
    const image_urls = images?.map((path) => (path.startsWith('https') ? path : home.at(path)));
    if (images !== undefined) expect(JSON.parse(stdout)).toMatchObject({ prompt: 'a prompt', image_urls });
  });

  it('of i2v are the first and the last frame', async () => {
    bring('jpeg.jpg', 'exif-6.jpg');
    const result = await run('i2v "day turns" --first jpeg.jpg --last exif-6.jpg --dry-run');
    const [first, last] = ['1 (first frame) = jpeg.jpg, 640×480', '2 (last frame) = exif-6.jpg, 480×640'];
    expectSaid(result, 0, `image ${first}`, `image ${last}`);
    expect(jsonOf(result).image_urls).toEqual([home.at('jpeg.jpg'), home.at('exif-6.jpg')]);
  });

  it('of a job file are looked for beside it', async () => {
    home.write('jobs/assets/style.png', PICTURE);
    const job = { type: 'ref', prompt: 'in the style of image 1', images: ['assets/style.png'] };
    home.write('jobs/job.json', job);
    const { code, stdout } = await run('ref -f jobs/job.json --dry-run');
    expect([code, JSON.parse(stdout).image_urls]).toEqual([0, [home.at('jobs/assets/style.png')]]);
  });

  it('of a plan are named with their roles, each once; what is not known of a price is said', async () => {
    bring('jpeg.jpg', 'exif-6.jpg', 'mp4.mp4');
    jobsOf(
      'hero: { type: i2v, prompt: p, images: [jpeg.jpg, exif-6.jpg], matrix: { duration: [4, 8] } }',
      'known: { type: ref, prompt: video 1, videos: [mp4.mp4] }',
      'open: { type: ref, prompt: video 1, videos: ["https://example.com/a.mp4?signature=secret"] }',
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
    for (const folder of ['A', 'B']) home.write(`${folder}/front.png`, PICTURE);
    jobsOf('a: { prompt: p, first: A/front.png }', 'b: { prompt: p, first: B/front.png }');
    const paths = ['= A/front.png, 640×480 (a)\n', '= B/front.png, 640×480 (b)\n'];
    expectSaid(await run('run jobs.yaml --dry-run --sandbox'), 0, ...paths);
  });

  it('show in a dry run what would be uploaded, with no key and no request', async () => {
    bring('png.png');
    const result = await run('ref "like image 1" -i png.png --dry-run --json', NOWHERE);
    const path = home.at('png.png');
    const sha256 = expect.stringMatching(/^[0-9a-f]{64}$/);
    const media = [{ name: 'image 1', format: 'png', width_px: 640, height_px: 480, ok: true }];
    const uploads = [{ placeholder: path, mime_type: 'image/png', sha256 }];
    const document = { request: { body: { image_urls: [path] } }, media, uploads };
    expect([result.code, jsonOf(result)]).toMatchObject([0, document]);
    expect(existsSync(home.state)).toBe(false);
  });

  it('that do not fit are named all at once, with commands that fix them; nothing is sent', async () => {
    const images = ['all-wrong.png', 'heic.heic', 'truncated.jpg', "a picture's name $(x) 그림.png"];
    bring(...images, 'seconds-15.5.mp4');
    const media = images.map((name) => `-i "${name}"`).join(' ');
    const result = await rig.run(`ref "${REF_PROMPT}" ${media} -v seconds-15.5.mp4 -a missing.mp3 -d 99`);
    expect(result.stdout).toBe('');
    expectSaid(
      result,
      2,
      'the request has 7 problems; nothing was sent',
      'is 45 times as wide as high',
      'to fix it: ffmpeg -i all-wrong.png -vf crop=490:200,scale=742:304 -frames:v 1 all-wrong-fixed.png',
      "to fix it: magick 'heic.heic[0]' -auto-orient heic-heic-fixed.jpg",
      'is not whole',
      "ffmpeg -i 'a picture'\\''s name $(x) 그림.png'",
      'audio 1 "missing.mp3" does not exist: check the path',
      '-t 15 ',
      '--duration',
    );
    expect(requests()).toEqual([]);
  });

  it('that are too long together are refused, with the cut that makes them fit', async () => {
    bring('seconds-15.mp4', 'mp4.mp4');
    const result = await run('ref "video 1 and video 2" -v seconds-15.mp4 -v mp4.mp4 --dry-run');
    const cut = 'ffmpeg -i seconds-15.mp4 -t 12.5';
    expectSaid(result, 2, 'are 17.5 s together (15 + 2.5): at most 15 s', cut);
  });

  it('leave the price open where the length of a video is not known', async () => {
    const line = 'ref "like video 1" -v https://example.com/clip.mp4 --dry-run';
    const result = await run(`${line} --json`);
    const reason = 'the length of the reference videos is not known';
    const estimate = { credits: null, reason, at_most: 164.43 };
    expect([result.stderr, jsonOf(result).estimate]).toMatchObject(['', estimate]);
    expect((await run(`${line} --max-credits 100`)).code).toBe(4);
  });
});

describe('what makes a request the same', () => {
  it('is the content of its files: attaching uploads nothing, a changed file is another request', async () => {
    bring('png.png', 'jpeg.jpg');
    const ref = (image: string, flags = '') =>
      rig.run(`ref "like image 1" -i ${image} ${SMALL} -o clip.mp4 ${flags}`);
    const { code, stdout: id } = await ref('png.png', '--no-wait');
    expect(code).toBe(0);
    rmSync(join(rig.state, 'uploads'), { recursive: true });
    renameSync(rig.at('png.png'), rig.at('renamed.jpg'));
    expectSaid(await ref('renamed.jpg'), 0, `attached: ${id.trim()}`);
    expect([uploads(), rig.charges()]).toEqual([1, 1]);
    expect((await ref('jpeg.jpg', '--overwrite')).stderr).not.toContain('attached');
    expect([uploads(), rig.charges()]).toEqual([2, 2]);
  });

  it('an output that exists is refused before anything is uploaded', async () => {
    bring('png.png');
    rig.write('clip.mp4', 'mine');
    expect((await rig.run(`ref "like image 1" -i png.png ${SMALL} -o clip.mp4`)).code).toBe(11);
    expect(requests()).toEqual([]);
  });
});

describe('evolink upload', () => {
  it('from two processes at once sends the file once; both print its URL', async () => {
    bring('jpeg-late-size.jpg');
    const upload = () => rig.run('upload jpeg-late-size.jpg', { asProcess: true });
    const both = await Promise.all([upload(), upload()]);
    const [{ stdout }] = both;
    expect(both).toMatchObject(Array(2).fill({ code: 0, stdout }));
    expect(stdout).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/f\/\S+\.jpg\n$/);
    expect(uploads()).toBe(1);
    const later = jsonOf(await rig.run('upload jpeg-late-size.jpg --json'));
    expect(later).toMatchObject({ ok: true, files: [{ reused: true, url: stdout.trim() }] });
    expect(uploads()).toBe(1);
  });

  it('lists and deletes, and a deleted file is sent anew', async () => {
    bring('png.png', 'wav.wav');
    const sent = await rig.run('upload png.png wav.wav');
    expect(sent.stdout.trim().split('\n')).toHaveLength(2);
    const { files, quota } = jsonOf(await rig.run('upload --list --json'));
    expect(files).toHaveLength(2);
    expect(quota).toMatchObject({ used: 2, max: 500 });
    const { file_id: id } = files.find((file: { file_name: string }) => file.file_name === 'png.png');
    expect((await rig.run(`upload --delete ${id}`)).stdout).toBe(`${id}\n`);
    expectSaid(await rig.run(`upload --delete ${id}`), 2, 'has no file');
    await rig.run('upload png.png wav.wav');
    expect(uploads()).toBe(3);
  });

  it.each([
    ['', 'name a file to upload'],
    ['png.png --list', 'are two commands'],
    ['truncated.jpg png.png', "1 of 2 files can't be used; nothing was uploaded"],
    ['https://example.com/a.png', '"https://example.com/a.png" is a URL already'],
  ])('refuses "%s"', async (args, text) => {
    bring('png.png', 'truncated.jpg');
    const env = { EVOLINK_API_KEY: 'sandbox-key-0001', ...NOWHERE };
    expectSaid(await run(`upload ${args}`, env), 2, text);
  });

  it('says of a file that is not there so in JSON, and that there is no key', async () => {
    const gone = await run('upload --delete nope --json --sandbox');
    const document = { ok: false, error: { code: 'usage' }, deleted: [] };
    expect([gone.code, jsonOf(gone)]).toMatchObject([2, document]);
    bring('png.png');
    expect((await run('upload png.png')).code).toBe(3);
  });
});

describe('evolink check', () => {
  it('says of each file whether it fits, and ends with 0 or 2', async () => {
    bring('png.png', 'mp4.mp4', 'gif.gif');
    const clip = 'ok: mp4.mp4 (mp4, 720×576, 2.5 s, 24 fps, avc, 10.0 KiB)\n';
    const stdout = `ok: png.png (png, 640×480, 2.2 KiB)\n${clip}`;
    expect(await run('check png.png mp4.mp4')).toMatchObject({ code: 0, stdout, stderr: '' });
    const bad = await run('check png.png gif.gif --json');
    const command = ['ffmpeg', '-i', 'gif.gif', '-frames:v', '1', '-q:v', '3', 'gif-gif-fixed.jpg'];
    const refused = { ok: false, format: 'gif', problems: [{ rule: 'type' }], fix: { command } };
    const error = { code: 'usage', exit: 2, charged: 'no' };
    expect([bad.code, jsonOf(bad)]).toMatchObject([2, { ok: false, error, files: [{ ok: true }, refused] }]);
  });

  it('looks at the media of all jobs of a file, sums included', async () => {
    bring('png.png', 'seconds-15.wav', 'wav.wav');
    jobsOf(
      'one: { type: i2v, prompt: p, first: png.png }',
      'two: { type: ref, prompt: p, images: [png.png], audios: [seconds-15.wav, wav.wav] }',
    );
    const all = await run('check jobs.yaml');
    expectSaid(all, 2, 'are 17.5 s together');
    expect(all.stdout).toContain('ok: image 1 = png.png');
    expect((await run('check jobs.yaml --job one')).code).toBe(0);
  });

  it('looks at the jobs of a matrix, of rows and of a body of the API, shared media once', async () => {
    bring('png.png', 'jpeg.jpg', 'gif.gif');
    home.write('rows.csv', 'file\njpeg.jpg\ngif.gif\n');
    jobsOf(
      'hero: { type: i2v, prompt: p, images: [png.png], matrix: { aspect_ratio: ["16:9", "9:16"] } }',
      'row: { type: ref, prompt: p, images: ["{{file}}"], for_each: rows.csv }',
    );
    const all = await run('check jobs.yaml --json');
    const files: { location: string; ok: boolean }[] = jsonOf(all).files;
    const verdicts = files.map(({ location, ok }) => `${basename(location)} ${ok}`);
    expect([all.code, ...verdicts]).toEqual([2, 'png.png true', 'jpeg.jpg true', 'gif.gif false']);
    expect((await run('check jobs.yaml --job hero')).code).toBe(0);
    expectSaid(await run('check jobs.yaml --job hreo'), 2, '--job "hreo" means no job');
    const model = 'seedance-2.0-reference-to-video';
    home.write('body.json', { model, prompt: 'p', image_urls: ['png.png', 'gif.gif'] });
    expect((await run('check body.json')).stdout).toBe(
      'ok: image 1 = png.png (png, 640×480, 2.2 KiB)\nrejected: image 2 = gif.gif (gif, 4.4 KiB)\n',
    );
  });

  it('refuses in a job file what a run refuses, and says in which job and where a file stands', async () => {
    bring('png.png', 'gif.gif');
    jobsOf(
      'sound: { type: ref, prompt: p, audios: ["https://example.com/a.mp3"] }',
      'three: { type: i2v, prompt: p, images: [png.png, png.png, png.png] }',
      'text: { type: t2v, prompt: p, images: [png.png] }',
      'inner: { type: i2v, prompt: p, first: "http://10.0.0.1/a.png" }',
      'frame: { type: i2v, prompt: p, first: gif.gif }',
    );
    const refused = await run('check jobs.yaml');
    const place = /first \(jobs\.yaml:7:\d+\): image 1 "gif\.gif"/;
    const problems = ['cannot stand alone', 'must be 1 to 2 images', 'takes no images', '10.0.0.1'];
    expectSaid(refused, 2, ...problems, place);
    expect(refused.stdout).toContain('rejected: image 1 = gif.gif (gif, 4.4 KiB) in job frame\n');
    jobsOf('frame:', '  type: i2v', '  prompt: p', '  first: gif.gif');
    expectSaid(
      await run('run jobs.yaml --dry-run --sandbox'),
      2,
      /first \(jobs\.yaml:6:5\) "gif\.gif": .*gif, 4.4 KiB/,
      'ffmpeg -i gif.gif -frames:v 1 -q:v 3 gif-gif-fixed.jpg',
    );
  });

  const UNCHECKED = `unchecked: ${URL} (--check-urls looks at it)\n`;
  it.each([
    ['of a job file without media that it has none', 'bare.yaml', 'no media: bare.yaml\n'],
    ['that a URL was not looked at, and what looks at it', URL, UNCHECKED],
  ])('says %s', async (_what, name, stdout) => {
    home.write('bare.yaml', 'jobs: { boat: { type: t2v, prompt: A boat } }\n');
    expect(await run(`check ${name}`)).toMatchObject({ code: 0, stdout });
  });

  it('survives hostile files in silence', async () => {
    const isHostile = (name: string) => /truncated|empty|bomb|text|html|one-byte/.test(name);
    const names = readdirSync(fixture('')).filter(isHostile);
    const result = await home.run(['check', ...names.map(fixture), '--json']);
    // Nothing but our own report: no library speaks.
    const others = result.stderr.split('\n').filter((line) => !/^(error:| {2}|hint:|$)/.test(line));
    expect([result.code, others]).toEqual([2, []]);
    expect(each(jsonOf(result).files, 'ok')).not.toContain(true);
  });
});
