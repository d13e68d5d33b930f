import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fixture } from '../helpers/media-fixtures.ts';
import { createMediaHosts, type MediaHosts, serveBytes, withLateIndex } from '../helpers/media-host.ts';
import { rigForEach } from '../helpers/rig.ts';

/** The limits of time are those of a person. */
const REAL_TIME = { EVOLINK_INTERNAL_CLOCK_RATE: '1' };

const rig = rigForEach();
let hosts: MediaHosts;

beforeEach(() => {
  hosts = createMediaHosts();
});
afterEach(() => hosts.close());

const serving = (name: string) => hosts.start(serveBytes(readFileSync(fixture(name))));

/** A job file of one `ref` job for each set of media. */
function writeJobs(jobs: Readonly<Record<string, Readonly<Record<string, unknown>>>>): void {
  const all = Object.entries(jobs).map(([name, media]) => [name, { type: 'ref', prompt: 'p', ...media }]);
  rig.write('jobs.json', JSON.stringify({ version: 1, jobs: Object.fromEntries(all) }));
}

interface PlannedDocument {
  readonly warnings: readonly string[];
  readonly jobs: readonly {
    readonly name: string;
    readonly credits: { readonly estimated: number | null };
    readonly warnings: readonly string[];
    readonly references: readonly { readonly label: string; readonly facts: string | null }[];
  }[];
}

async function plan(flags: readonly string[] = ['--check-urls']) {
  const args = ['run', 'jobs.json', '--dry-run', '--json', ...flags];
  const result = await rig.run(args, { env: REAL_TIME });
  expect([result.code, result.stderr]).toEqual([0, '']);
  return JSON.parse(result.stdout) as PlannedDocument;
}

describe('the URLs of a plan', () => {
  it('are looked at with --check-urls only, and those of clips that are up to date never', async () => {
    copyFileSync(fixture('png.png'), join(rig.work, 'png.png'));
    const url = (await rig.run(['upload', 'png.png'])).stdout.trim();
    const reads = () => rig.sandbox.ledger.requests().filter(({ path }) => url.endsWith(path)).length;
    writeJobs({ hero: { images: [url], output: 'hero.mp4' } });
    const before = reads();
    await plan([]);
    expect(reads()).toBe(before);
    expect((await rig.run(['run', 'jobs.json', '--check-urls'])).code).toBe(0);
    const looked = reads();
    expect(looked).toBeGreaterThan(before);
    await plan();
    expect(reads()).toBe(looked);
  });

  it('are shown and priced by what they hold; what is doubtful is a warning', async () => {
    const good = await serving('png.png');
    const clip = await serving('mp4-faststart.mp4');
    const late = await hosts.start(serveBytes(withLateIndex(readFileSync(fixture('mp4.mp4')))));
    const gone = await hosts.start((_request, response) => response.writeHead(404).end());
    const page = await hosts.start((_request, response) => response.end('<!doctype html><p>Sign in</p>'));
    writeJobs({
      known: { images: [`${good}/a.png?token=secret`], videos: [`${clip}/a.mp4`] },
      open: { videos: [`${late}/late.mp4`] },
      doubtful: { images: [`${gone}/gone.png`, `${page}/page.png`] },
    });
    const { jobs } = await plan();
    const [known, open, doubtful] = jobs;
    expect(known?.references).toMatchObject([
      { name: 'image 1', label: `${good}/a.png?***`, facts: '640×480', local: false },
      { name: 'video 1', label: `${clip}/a.mp4`, facts: '720×576, 2.5 s' },
    ]);
    // 5 s of output, and as much again for a reference video that is shorter: 10 × 8.2215.
    expect(known?.credits.estimated).toBe(82.215);
    expect(known?.warnings.join()).not.toContain('price');
    expect(open?.credits.estimated).toBeNull();
    expect(open?.warnings).toContain(
      'the price is not known: the length of the reference videos is not known; it is between 82.22 and 164.43 credits',
    );
    expect(doubtful?.warnings).toEqual(
      expect.arrayContaining([
        `image 1 "${gone}/gone.png" answers with status 404`,
        `image 2 "${page}/page.png" answers with a page, not with a file`,
      ]),
    );
    expect(rig.posts()).toBe(0);
  });

  it('are each looked at once, however many jobs name them', async () => {
    const good = await serving('png.png');
    const media = { images: [`${good}/a.png`, `${good}/b.png`] };
    writeJobs({ one: media, two: media, three: { images: [`${good}/b.png`] } });
    await plan();
    expect([...hosts.seen]).toEqual([
      ['/a.png', 1],
      ['/b.png', 1],
    ]);
  });

  it('that break a rule do not hide what is doubtful of the others', async () => {
    const gone = await hosts.start((_request, response) => response.writeHead(404).end());
    const gif = await serving('gif.gif');
    writeJobs({ doubtful: { images: [`${gone}/gone.png`] }, bad: { images: [`${gif}/a.gif`] } });
    const { code, stderr } = await rig.run(['run', 'jobs.json', '--dry-run', '--check-urls'], {
      env: REAL_TIME,
    });
    expect(code).toBe(2);
    expect(stderr).toContain(`warning: image 1 "${gone}/gone.png" answers with status 404\n`);
    expect(stderr).toContain('is GIF');
  });

  it.each([
    ['a GIF', 'gif.gif', 'images', 'is GIF'],
    ['too many pixels', 'side-6001.png', 'images', 'has 6001×6000 px'],
    ['a long clip', 'seconds-15.5.mp4', 'videos', '15.5 s'],
  ] as const)(
    'that certainly break a rule end the run before anything is sent: %s',
    async (_what, name, key, text) => {
      const url = `${await serving(name)}/${name}`;
      const good = `${await serving('png.png')}/good.png`;
      rig.write(
        'jobs.yaml',
        `version: 1\njobs:\n  good: { type: ref, prompt: p, images: [${good}] }\n  bad:\n    type: ref\n    prompt: p\n    ${key}: [${url}]\n`,
      );
      const { code, stderr } = await rig.run(['run', 'jobs.yaml', '--check-urls'], { env: REAL_TIME });
      expect(code).toBe(2);
      expect(stderr).toContain(`jobs.yaml:7:`);
      expect(stderr).toContain(url);
      expect(stderr).toContain(text);
      expect(rig.posts()).toBe(0);
    },
  );

  it('that are too large by what their host says end it too', async () => {
    const head = readFileSync(fixture('png.png'));
    const host = await hosts.start(serveBytes(Buffer.concat([head, Buffer.alloc(31 * 1024 ** 2)])));
    writeJobs({ large: { images: [`${host}/large.png`] } });
    const { code, stderr } = await rig.run(['run', 'jobs.json', '--dry-run', '--check-urls'], {
      env: REAL_TIME,
    });
    expect(code).toBe(2);
    expect(stderr).toContain('at most 30.0 MiB');
  });
});

describe('the sandbox', () => {
  it('asks no host but those of this machine, also where one sends it on', async () => {
    const away = await hosts.start((_request, response) =>
      response.writeHead(302, { location: 'https://media.example.com/a.png' }).end(),
    );
    writeJobs({ one: { images: ['https://media.example.com/b.png', `${away}/a.png`] } });
    const asked = await plan();
    expect(asked.jobs[0]?.warnings).toEqual(
      expect.arrayContaining([expect.stringContaining('media.example.com is not on this machine')]),
    );
    expect(asked.jobs[0]?.warnings).toContain(
      'image 1 "https://media.example.com/b.png" was not checked: the sandbox stays on this machine',
    );
  });

  it('takes no address of a private network, which the service could not reach', async () => {
    writeJobs({ one: { images: ['https://192.168.0.7/a.png'] } });
    const { code, stderr } = await rig.run(['run', 'jobs.json', '--dry-run']);
    expect(code).toBe(2);
    expect(stderr).toContain('points to a private address');
  });
});

describe('the URLs of a single command', () => {
  it('are looked at with --check-urls: facts, price and refusals', async () => {
    const clip = `${await serving('mp4-faststart.mp4')}/a.mp4`;
    const gif = `${await serving('gif.gif')}/a.gif`;
    const ref = (...args: string[]) =>
      rig.run(['ref', 'like video 1', '--dry-run', ...args], { env: REAL_TIME });
    const unseen = await ref('-v', clip);
    expect(unseen.stderr).toContain('estimate: unknown: the length of the reference videos is not known');
    const seen = await ref('-v', clip, '--check-urls');
    expect(seen.stderr).toContain(`video 1 = ${clip}, 720×576, 2.5 s`);
    expect(seen.stderr).toContain('about 82.215');
    const refused = await ref('-v', clip, '-i', gif, '--check-urls');
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain('is GIF');
  });
});
