import { resolve } from 'node:path';
import type { FilesClient, StoredFile } from '../api/files.ts';
import { hashFile } from '../download/target.ts';
import { EvolinkError } from '../errors.ts';
import { reviewMedia } from '../media/judge.ts';
import { describeQuota } from '../media/upload.ts';
import type { Context } from '../platform/context.ts';
import { redactAddress } from '../request/public-url.ts';
import { isLocalEntry, type LocalMedia, toLabel, toLocalMedia } from '../task/prepare-media.ts';
import { uploadMedia } from '../task/upload-media.ts';
import { formatBytes, formatRelative } from '../ui/format.ts';
import { toErrorDocument, toIsoTime, toJsonText } from '../ui/json.ts';
import { formatTable } from '../ui/table.ts';
import { type FormOptions, formOf } from './form.ts';
import { type Frame, runInFrame } from './frame.ts';
import { mediaProblemLine } from './media-report.ts';
import { createUploadDependencies } from './session.ts';

interface UploadCommandOptions extends FormOptions {
  readonly list?: boolean;
  readonly delete?: readonly string[];
}

export interface UploadInput {
  readonly files: readonly string[];
  readonly options: UploadCommandOptions;
}

const PAGE_SIZE = 100;
const MAX_PAGES = 20;

/** `evolink upload`: URLs of local files; or what the service holds, or less of it. Returns the exit code. */
export function runUpload(context: Context, input: UploadInput): Promise<number> {
  const { files, options } = input;
  return runInFrame(context, { form: options }, async (frame) => {
    const isOther = options.list === true || options.delete !== undefined;
    if (isOther === files.length > 0) {
      throw new EvolinkError(
        'usage',
        isOther ? 'files and --list or --delete are two commands' : 'name a file to upload',
        {
          hint: 'evolink upload --help',
          charged: 'no',
        },
      );
    }
    if (options.list === true) return listFiles(context, frame, options);
    if (options.delete !== undefined) return deleteFiles(context, frame, { ...options, ids: options.delete });
    return upload(context, frame, input);
  });
}

async function upload(context: Context, frame: Frame, { files, options }: UploadInput): Promise<number> {
  const address = files.find((file) => !isLocalEntry(file));
  if (address !== undefined) {
    throw new EvolinkError(
      'usage',
      `"${redactAddress(address)}" is a URL already; there is nothing to upload`,
      {
        hint: 'give the URL itself where media are named: evolink i2v "…" --image URL',
        charged: 'no',
      },
    );
  }
  const items = files.map((file) => {
    const location = resolve(context.cwd, file);
    const label = toLabel(location, context.cwd);
    return { name: label, label, location, isLocal: true };
  });
  const reviews = await reviewMedia(items, { isOneRequest: false });
  const broken = reviews.filter(({ problems }) => problems.length > 0);
  if (broken.length > 0) {
    const details = broken.map(mediaProblemLine);
    const count = `${broken.length} of ${files.length}`;
    throw new EvolinkError('usage', `${count} files can't be used; nothing was uploaded`, {
      details,
      charged: 'no',
    });
  }
  for (const { item, remarks } of reviews) for (const text of remarks) frame.warn(`"${item.label}" ${text}`);
  const media = new Map<string, LocalMedia>();
  for (const { item, facts } of reviews) {
    if (facts === undefined || media.has(item.location)) continue;
    media.set(item.location, toLocalMedia(item, facts, await hashFile(item.location)));
  }
  const deps = await createUploadDependencies(context, frame.session);
  const uploaded = new Map<string, { readonly expiresAtMs: number; readonly isReused: boolean }>();
  const urls = await uploadMedia(deps, [...media.values()], {
    signal: context.signals.signal,
    emit: (event) => {
      if (event.kind === 'uploaded') uploaded.set(event.path, event);
      frame.reporter.event(event);
    },
  });
  if (formOf(options) === 'human') {
    for (const { location } of items) await context.io.stdout.write(`${urls.get(location)}\n`);
    return 0;
  }
  const documents = items.map(({ location }) => ({
    path: location,
    url: urls.get(location),
    sha256: media.get(location)?.sha256,
    size_bytes: media.get(location)?.sizeBytes,
    expires_at: toIsoTime(uploaded.get(location)?.expiresAtMs),
    reused: uploaded.get(location)?.isReused,
  }));
  await context.io.stdout.write(`${toJsonText({ schema_version: 1, ok: true, files: documents })}\n`);
  return 0;
}

async function listFiles(
  context: Context,
  { session }: Frame,
  options: UploadCommandOptions,
): Promise<number> {
  const { files: client } = await session.connect();
  const files = await readAll(client, context.signals.signal);
  const quota = await client.quota(context.signals.signal).catch(() => undefined);
  if (formOf(options) !== 'human') {
    const document = {
      schema_version: 1,
      ok: true,
      files: files.map(toFileDocument),
      quota: toQuotaDocument(quota),
    };
    await context.io.stdout.write(`${toJsonText(document)}\n`);
    return 0;
  }
  const nowMs = context.clock.now();
  const rows = files.map((file) => [
    file.fileId ?? '',
    file.fileName ?? '',
    file.sizeBytes === undefined ? '' : formatBytes(file.sizeBytes),
    file.expiresAtMs === undefined ? '' : formatRelative(file.expiresAtMs, nowMs),
    file.fileUrl,
  ]);
  const columns = [
    { header: 'ID' },
    { header: 'NAME' },
    { header: 'SIZE' },
    { header: 'ENDS' },
    { header: 'URL' },
  ];
  if (rows.length > 0) await context.io.stdout.write(`${formatTable(columns, rows, {})}\n`);
  const line = quota && describeQuota(quota);
  if (line !== undefined) await context.io.stderr.write(`${line}\n`);
  return 0;
}

async function readAll(client: FilesClient, signal: AbortSignal): Promise<readonly StoredFile[]> {
  const files = new Map<string, StoredFile>();
  for (let page = 1; page <= MAX_PAGES; page += 1) {
    const { files: found, total } = await client.list({ page, pageSize: PAGE_SIZE }, signal);
    const before = files.size;
    for (const file of found) files.set(file.fileId ?? file.fileUrl, file);
    // A service that ignores the page would send the same one for ever.
    if (files.size === before || (total !== undefined && files.size >= total)) break;
  }
  return [...files.values()];
}

async function deleteFiles(
  context: Context,
  { session, warn }: Frame,
  { ids, ...options }: UploadCommandOptions & { readonly ids: readonly string[] },
): Promise<number> {
  const { files: client, cache } = await createUploadDependencies(context, session);
  const deleted: string[] = [];
  for (const id of new Set(ids)) {
    if (await client.remove(id, context.signals.signal)) deleted.push(id);
    await cache.forgetFile(id);
    if (deleted.at(-1) !== id) warn(`the service has no file "${id}" (any more)`);
  }
  const isAll = deleted.length === new Set(ids).size;
  if (formOf(options) !== 'human') {
    const missing = [...new Set(ids)].filter((id) => !deleted.includes(id)).map((id) => `"${id}"`);
    const head = isAll
      ? { schema_version: 1, ok: true }
      : toErrorDocument(
          new EvolinkError('usage', `the service has no file ${missing.join(', ')} (any more)`, {
            hint: 'evolink upload --list',
            charged: 'no',
          }),
        );
    await context.io.stdout.write(`${toJsonText({ ...head, deleted })}\n`);
  } else for (const id of deleted) await context.io.stdout.write(`${id}\n`);
  return isAll ? 0 : 2;
}

function toFileDocument(file: StoredFile) {
  return {
    file_id: file.fileId ?? null,
    file_name: file.fileName ?? null,
    url: file.fileUrl,
    size_bytes: file.sizeBytes ?? null,
    mime_type: file.mimeType ?? null,
    uploaded_at: toIsoTime(file.uploadedAtMs),
    expires_at: toIsoTime(file.expiresAtMs),
  };
}

function toQuotaDocument(quota: Awaited<ReturnType<FilesClient['quota']>>) {
  if (quota === undefined) return null;
  const { usedFiles, maxFiles, remainingFiles } = quota;
  return { used: usedFiles ?? null, max: maxFiles ?? null, remaining: remainingFiles ?? null };
}
