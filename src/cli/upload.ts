import { resolve } from 'node:path';
import { EvolinkError } from '../errors.ts';
import { reviewMedia } from '../media/judge.ts';
import { describeQuota } from '../media/upload.ts';
import { formatBytes } from '../platform/text.ts';
import { redactAddress } from '../request/public-url.ts';
import type { TaskEvent } from '../task/events.ts';
import { hashLocal, isLocalEntry, toLoneItem, uploadMedia } from '../task/prepare-media.ts';
import { fill, SENT_FILE, uploadedFile } from '../ui/documents.ts';
import { formatRelative } from '../ui/format.ts';
import { formatTable } from '../ui/table.ts';
import type { Invocation } from './flags.ts';
import { type Frame, runInFrame } from './frame.ts';
import { mediaProblemLine } from './media.ts';

const PAGE_SIZE = 100;
const MAX_PAGES = 20;

/** `evolink upload`: URLs of local files; or what the service holds, or less of it. Returns the exit code. */
export function runUpload({ context, args: files, options }: Invocation): Promise<number> {
  return runInFrame(context, { form: options }, async (frame) => {
    const isOther = options.list === true || options.delete !== undefined;
    if (isOther === files.length > 0) {
      const what = isOther ? 'files and --list or --delete are two commands' : 'name a file to upload';
      throw new EvolinkError('usage', what, { hint: 'evolink upload --help' });
    }
    if (options.list === true) return listFiles(frame);
    if (options.delete !== undefined) return deleteFiles(frame, options.delete);
    return upload(frame, files);
  });
}

async function upload(
  { context, session, reporter, warn }: Frame,
  paths: readonly string[],
): Promise<number> {
  const address = paths.find((file) => !isLocalEntry(file));
  if (address !== undefined)
    throw new EvolinkError(
      'usage',
      `"${redactAddress(address)}" is a URL already; there is nothing to upload`,
      { hint: 'give the URL itself where media are named: evolink i2v "…" --image URL' },
    );
  const items = [...new Set(paths)].map((file) => toLoneItem(file, context.cwd));
  const reviews = await reviewMedia(items, { isOneRequest: false });
  const broken = reviews.filter(({ problems }) => problems.length > 0);
  if (broken.length > 0) {
    const count = `${broken.length} of ${items.length}`;
    throw new EvolinkError('usage', `${count} files can't be used; nothing was uploaded`, {
      details: broken.map(mediaProblemLine),
    });
  }
  for (const { item, remarks } of reviews) for (const text of remarks) warn(`"${item.label}" ${text}`);
  const media = await hashLocal(reviews);
  const deps = await session.uploads();
  const uploaded = new Map<string, Extract<TaskEvent, { kind: 'uploaded' }>>();
  await uploadMedia(deps, media, {
    signal: context.signals.signal,
    emit: (event) => {
      if (event.kind === 'uploaded') uploaded.set(event.path, event);
      reporter.event(event);
    },
  });
  const files = paths.map((file) => {
    const path = resolve(context.cwd, file);
    return fill(SENT_FILE, { ...media.find((each) => each.path === path), ...uploaded.get(path), path });
  });
  await reporter.print('upload', { files }, files.map(({ url }) => `${url}\n`).join(''));
  return 0;
}

async function listFiles({ context, session, reporter }: Frame): Promise<number> {
  const { files: client } = await session.connect();
  const { signal } = context.signals;
  const held = new Map<string, Awaited<ReturnType<typeof client.list>>['files'][number]>();
  for (let page = 1; page <= MAX_PAGES; page += 1) {
    const { files, total } = await client.list({ page, pageSize: PAGE_SIZE }, signal);
    const before = held.size;
    for (const file of files) held.set(file.fileId ?? file.fileUrl, file);
    // A service that ignores the page would send the same one for ever.
    if (held.size === before || (total !== undefined && held.size >= total)) break;
  }
  const files = [...held.values()];
  const quota = await client.quota(signal).catch(() => undefined);
  const nowMs = context.clock.now();
  const rows = files.map((file) => [
    file.fileId ?? '',
    file.fileName ?? '',
    file.sizeBytes === undefined ? '' : formatBytes(file.sizeBytes),
    file.expiresAtMs === undefined ? '' : formatRelative(file.expiresAtMs, nowMs),
    file.fileUrl,
  ]);
  const columns = ['ID', 'NAME', 'SIZE', 'EXPIRES', 'URL'];
  const line = quota && describeQuota(quota);
  if (line !== undefined) reporter.note(line);
  const { used_files: used = null, max_files: max = null, remain_files: remaining = null } = quota ?? {};
  const body = {
    files: files.map((file) => fill(uploadedFile.shape, { ...file, url: file.fileUrl })),
    quota: quota === undefined ? null : { used, max, remaining },
  };
  await reporter.print('uploads', body, formatTable(columns, rows));
  return 0;
}

async function deleteFiles({ context, session, reporter }: Frame, ids: readonly string[]) {
  const { files: client, cache } = await session.uploads();
  const deleted: string[] = [];
  const missing: string[] = [];
  for (const id of new Set(ids)) {
    if (await client.remove(id, context.signals.signal)) deleted.push(id);
    else missing.push(`"${id}"`);
    await cache.forgetFile(id);
  }
  const what = `the service has no file ${missing.join(', ')} (any more)`;
  const error =
    missing.length === 0 ? undefined : new EvolinkError('usage', what, { hint: 'evolink upload --list' });
  await reporter.print('delete', { deleted }, deleted.map((id) => `${id}\n`).join(''), error);
  return error?.exit ?? 0;
}
