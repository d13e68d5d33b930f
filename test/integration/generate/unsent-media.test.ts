import { copyFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { FilesClient } from '../../../src/api/files.ts';
import { EvolinkError } from '../../../src/errors.ts';
import { createUploadCache, type UploadDependencies } from '../../../src/media/upload.ts';
import type { RequestDraft, WireBody } from '../../../src/request/fields.ts';
import { resolveRequest } from '../../../src/request/resolve.ts';
import { generate } from '../../../src/task/generate.ts';
import { mediaHashes, prepareMedia, uploadMedia } from '../../../src/task/prepare-media.ts';
import type { FakeClock } from '../../helpers/fake-clock.ts';
import { setUpGenerate } from '../../helpers/generate-setup.ts';
import { fixture } from '../../helpers/media-fixtures.ts';
import { tempFolder } from '../../helpers/temp-folder.ts';

const HOUR_MS = 3_600_000;
const refused = new EvolinkError('network', 'the test ends here');

/** Uploads get a new URL each, and live for 72 hours of the clock. */
function createUploads(
  clock: FakeClock,
  stateFolder: string,
): UploadDependencies & { readonly urls: string[] } {
  const urls: string[] = [];
  const unused = () => Promise.reject(new Error('not asked for here'));
  const files: FilesClient = {
    baseUrl: 'https://files-api.evolink.ai',
    accountId: 'account',
    async upload({ content }) {
      const fileUrl = `https://files.evolink.ai/${urls.length + 1}.png`;
      urls.push(fileUrl);
      return { fileUrl, sizeBytes: content.size, expiresAtMs: clock.now() + 72 * HOUR_MS };
    },
    list: unused,
    remove: unused,
    quota: unused,
  };
  const owner = { pid: process.pid, host: 'test' };
  const cache = createUploadCache({ stateFolder, accountId: 'account', clock, owner });
  return { files, cache, clock, isThere: async () => true, urls };
}

/** The same command, run twice on one machine: stopped right before its paid call, and some hours later. */
async function interrupted(laterMs: number, change: (path: string) => void = () => undefined) {
  const setup = await setUpGenerate({ submits: [{ kind: 'rejected', error: refused }] });
  const { deps, clock } = setup;
  const folder = await tempFolder();
  const path = join(folder, 'style.png');
  copyFileSync(fixture('png.png'), path);
  const uploads = createUploads(clock, folder);
  const sent: WireBody[] = [];
  const api = {
    ...deps.api,
    submit: (...args: Parameters<typeof deps.api.submit>) => {
      sent.push(args[0]);
      return deps.api.submit(...args);
    },
  };
  const draft: RequestDraft = {
    operation: 'ref',
    prompt: { value: 'like image 1', source: '-p' },
    images: [{ value: path, source: '-i' }],
  };
  const run = async (signal: AbortSignal, onRecord: () => void): Promise<unknown> => {
    const { request } = resolveRequest(draft, {
      allowLocalMedia: true,
    });
    if (request === undefined) throw new Error('the request is fine');
    const { local } = await prepareMedia(request, { workingFolder: folder });
    const upload = () => uploadMedia(uploads, local, { emit: () => undefined, signal });
    return generate(
      { ...deps, api },
      {
        request,
        output: { kind: 'file', folder, pattern: 'clip.mp4', onExisting: 'refuse' },
        hasSidecar: false,
        isNew: false,
        isWaiting: true,
        waitTimeoutMs: 0,
        signal,
        onRecord,
        media: { hashes: mediaHashes(local), upload },
      },
    ).catch((error: unknown) => error);
  };
  const stop = new AbortController();
  await run(stop.signal, () => stop.abort(new Error('stopped')));
  const [open] = (await deps.journal.readOpen()).records;
  await clock.advance(laterMs);
  change(path);
  const end = await run(new AbortController().signal, () => undefined);
  return { open, uploads, sent, keys: setup.api.submits, end };
}

describe('a request that was left right before it was sent', () => {
  it('is sent as it is while its uploads live', async () => {
    const { open, uploads, sent, keys } = await interrupted(HOUR_MS);
    expect(open).toMatchObject({ state: 'intent', body: { image_urls: ['https://files.evolink.ai/1.png'] } });
    expect(uploads.urls).toHaveLength(1);
    expect(sent.map(({ image_urls: urls }) => urls)).toEqual([['https://files.evolink.ai/1.png']]);
    expect(keys).toEqual([open?.idempotencyKey]);
  });

  it.each([71, 73, 500])('is sent with new uploads of the same files after %i hours', async (hours) => {
    const { open, uploads, sent, keys } = await interrupted(hours * HOUR_MS);
    expect(uploads.urls).toHaveLength(2);
    expect(sent.map(({ image_urls: urls }) => urls)).toEqual([['https://files.evolink.ai/2.png']]);
    // Another body is another request to the service.
    expect(keys).toHaveLength(1);
    expect(keys[0]).not.toBe(open?.idempotencyKey);
  });

  it('is another one where the file has changed', async () => {
    const { uploads, sent } = await interrupted(73 * HOUR_MS, (path) =>
      copyFileSync(fixture('png-alpha.png'), path),
    );
    expect(statSync(fixture('png.png')).size).not.toBe(statSync(fixture('png-alpha.png')).size);
    expect(uploads.urls).toHaveLength(2);
    expect(sent.map(({ image_urls: urls }) => urls)).toEqual([['https://files.evolink.ai/2.png']]);
  });
});
