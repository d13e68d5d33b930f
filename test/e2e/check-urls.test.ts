import { copyFileSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { fixture, withLateIndex } from '../helpers/media-fixtures.ts';
import { expectSaid, jsonOf, rigForEach } from '../helpers/rig.ts';
import { serve, serveBytes } from '../helpers/serve.ts';

const rig = rigForEach();

/** The limits of time are those of a person. */
const run = (line: string) => rig.run(line, { env: { EVOLINK_INTERNAL_CLOCK_RATE: '1' } });
const serving = (name: string) => serve(serveBytes(readFileSync(fixture(name))));
const lost = async () => `${await serve((_request, response) => response.writeHead(404).end())}/gone.png`;
const doubt = (url: string) => `image 1 "${url}" answers with status 404`;

/** A job file of one `ref` job for each set of media. */
function writeJobs(media: Readonly<Record<string, object>>): void {
  const jobs = Object.entries(media).map(([name, each]) => [name, { type: 'ref', prompt: 'p', ...each }]);
  rig.write('jobs.json', { version: 1, jobs: Object.fromEntries(jobs) });
}

async function plan(flags = '--check-urls') {
  const result = await run(`run jobs.json --dry-run --json ${flags}`);
  expect([result.code, result.stderr]).toEqual([0, '']);
  return jsonOf(result).jobs;
}

describe('the URLs of a plan', () => {
  it('are looked at with --check-urls only, and those of clips that are up to date never', async () => {
    copyFileSync(fixture('png.png'), rig.at('png.png'));
    const url = (await rig.run('upload png.png')).stdout.trim();
    const reads = () => rig.sandbox.ledger.requests().filter(({ path }) => url.endsWith(path)).length;
    writeJobs({ hero: { images: [url], output: 'hero.mp4' } });
    const before = reads();
    await plan('');
    expect(reads()).toBe(before);
    await plan();
    const looked = reads();
    expect(looked).toBeGreaterThan(before);
    expect((await rig.run('run jobs.json')).code).toBe(0);
    await plan();
    expect(reads()).toBe(looked);
  });

  it('are shown and priced by what they hold; what is doubtful is a warning', async () => {
    const good = await serving('png.png');
    const clip = await serving('mp4-faststart.mp4');
    const late = await serve(serveBytes(withLateIndex(readFileSync(fixture('mp4.mp4')))));
    const gone = await lost();
    const page = await serve((_request, response) => response.end('<!doctype html><p>Sign in</p>'));
    writeJobs({
      known: { images: [`${good}/a.png?token=secret`], videos: [`${clip}/a.mp4`] },
      open: { videos: [`${late}/late.mp4`] },
      doubtful: { images: [gone, `${page}/page.png`] },
    });
    const [known, open, doubtful] = await plan();
    expect(known.references).toMatchObject([
      { name: 'image 1', label: `${good}/a.png?***`, facts: '640×480', local: false },
      { name: 'video 1', label: `${clip}/a.mp4`, facts: '720×576, 2.5 s' },
    ]);
    // 5 s of output, and as much again for a reference video that is shorter: 10 × 8.2215.
    expect(known.credits.estimated).toBe(82.215);
    expect(known.warnings.join()).not.toContain('price');
    expect(open.credits.estimated).toBeNull();
    expect(open.warnings).toContain(
      'the price is not known: the length of the reference videos is not known; it is between 82.22 and 164.43 credits',
    );
    const signIn = `image 2 "${page}/page.png" answers with a page, not with a file`;
    expect(doubtful.warnings).toEqual(expect.arrayContaining([doubt(gone), signIn]));
    expect(rig.posts()).toBe(0);
  });

  it('are each looked at once, however many jobs name them', async () => {
    const seen: (string | undefined)[] = [];
    const answer = serveBytes(readFileSync(fixture('png.png')));
    const good = await serve((request, response) => {
      seen.push(request.url);
      answer(request, response);
    });
    const media = { images: [`${good}/a.png`, `${good}/b.png`] };
    writeJobs({ one: media, two: media, three: { images: [`${good}/b.png`] } });
    await plan();
    expect(seen.sort()).toEqual(['/a.png', '/b.png']);
  });

  it('that break a rule do not hide what is doubtful of the others', async () => {
    const gone = await lost();
    writeJobs({ doubtful: { images: [gone] }, bad: { images: [`${await serving('gif.gif')}/a.gif`] } });
    expectSaid(await run('run jobs.json --dry-run --check-urls'), 2, `warning: ${doubt(gone)}\n`, 'is GIF');
  });

  it.each([
    ['a GIF', 'gif.gif', 'images', 'is GIF'],
    ['too many pixels', 'side-6001.png', 'images', 'has 6001×6000 px'],
    ['a long clip', 'seconds-15.5.mp4', 'videos', '15.5 s'],
  ])('that certainly break a rule end the run, and nothing is sent: %s', async (_what, name, key, text) => {
    const url = `${await serving(name)}/${name}`;
    const good = `good: { type: ref, prompt: p, images: [${await serving('png.png')}/good.png] }`;
    const bad = `bad:\n    type: ref\n    prompt: p\n    ${key}: [${url}]\n`;
    rig.write('jobs.yaml', `version: 1\njobs:\n  ${good}\n  ${bad}`);
    expectSaid(await run('run jobs.yaml --check-urls'), 2, 'jobs.yaml:7:', url, text);
    expect(rig.posts()).toBe(0);
  });

  it('that are too large by what their host says end it too', async () => {
    const head = readFileSync(fixture('png.png'));
    const host = await serve(serveBytes(Buffer.concat([head, Buffer.alloc(31 * 1024 ** 2)])));
    writeJobs({ large: { images: [`${host}/large.png`] } });
    expectSaid(await run('run jobs.json --dry-run --check-urls'), 2, 'at most 30.0 MiB');
  });
});

describe('the sandbox', () => {
  it('asks no host but those of this machine, also where one sends it on', async () => {
    const away = await serve((_request, response) =>
      response.writeHead(302, { location: 'https://media.example.com/a.png' }).end(),
    );
    writeJobs({ one: { images: ['https://media.example.com/b.png', `${away}/a.png`] } });
    const [{ warnings }] = await plan();
    expect(warnings.join()).toContain('media.example.com is not on this machine');
    const unchecked = 'image 1 "https://media.example.com/b.png" was not checked';
    expect(warnings).toContain(`${unchecked}: the sandbox stays on this machine`);
  });

  it('takes no address of a private network, which the service could not reach', async () => {
    writeJobs({ one: { images: ['https://192.168.0.7/a.png'] } });
    expectSaid(await rig.run('run jobs.json --dry-run'), 2, 'points to a private address');
  });
});

it('the URLs of a single command are looked at with --check-urls: facts, price and refusals', async () => {
  const clip = `${await serving('mp4-faststart.mp4')}/a.mp4`;
  const ref = `ref "like video 1" --dry-run -v ${clip}`;
  expectSaid(await run(ref), 0, 'estimate: unknown: the length of the reference videos is not known');
  expectSaid(await run(`${ref} --check-urls`), 0, `video 1 = ${clip}, 720×576, 2.5 s`, 'about 82.215');
  const gif = `${await serving('gif.gif')}/a.gif`;
  expectSaid(await run(`${ref} --check-urls -i ${gif}`), 2, 'is GIF');
});

it.each([
  ['https://[', 'must be a full http:// or https:// URL'],
  ['https://user:pw@example.com/a.png', 'must not hold a user name or password'],
])('a URL that no request may hold is refused, and not looked at: %s', async (url, text) => {
  rig.write('job.yaml', `type: i2v\nprompt: p\nimages: ["${url}"]\n`);
  for (const line of [`i2v p -i ${url} --check-urls`, `check ${url}`, 'check job.yaml --check-urls']) {
    const result = await run(line);
    expectSaid(result, 2, text);
    expect(result.stdout + result.stderr).not.toContain('user:pw');
  }
  expect(jsonOf(await run('check job.yaml --json')).files[0].location).not.toContain('pw@');
});
