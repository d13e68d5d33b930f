import { mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { basename, extname, join } from 'node:path';
import type { ServerClock } from './clock.ts';
import { type Answer, ApiProblem, isRecord, jsonAnswer, readBytes, readJsonFile } from './http.ts';
import { MEDIA_RULES } from './service-tables.ts';
import type { FileFacts } from './validate-request.ts';

/**
 * One upload: the file object of the API but for its URLs, where the bytes lie, and what is in them. It is what the state
 * folder holds.
 */
type Upload = Awaited<ReturnType<typeof readForm>>;

/** The service keeps an upload for 72 hours. */
const UPLOAD_LIFE_MS = 72 * 3_600_000;
const MAX_FILE_BYTES = 100_000_000;
/** The whole form, with its head and the names in it. */
const MAX_FORM_BYTES = MAX_FILE_BYTES + 1_000_000;
const MAX_FILES = 500;
const MIME_TYPES = MEDIA_RULES.flatMap(({ mimeTypes }) => mimeTypes);

/** The files API. Uploads lie in the state folder, or in a temporary folder that goes when the server closes. */
export function createFileBook(
  clock: ServerClock,
  letters: (length: number) => string,
  stateFolder: string | undefined,
  linkUrl: () => string,
) {
  let folder = stateFolder && join(stateFolder, 'uploads');
  const uploads = new Map<string, Upload>();
  if (folder !== undefined) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    for (const name of readdirSync(folder)) {
      const upload = name.endsWith('.json') ? readJsonFile(join(folder, name)) : undefined;
      if (isUpload(upload)) uploads.set(upload.file_id, upload);
    }
  }
  let receivingCount = 0;
  let abortedCount = 0;

  const isThere = ({ expires_at }: Upload) => clock.now() < Date.parse(expires_at);
  const all = () => [...uploads.values()].filter(isThere).reverse();
  const find = (id = '') => all().find((upload) => upload.file_id === id);
  /** A file on its way counts as well: many at once must not pass the limit. */
  const usedCount = (): number => all().length + receivingCount;
  const toFileObject = ({ path: _, facts: __, ...shown }: Upload) => {
    const file_url = `${linkUrl()}/f/${shown.file_id}/${encodeURIComponent(shown.file_name)}`;
    return { ...shown, file_url, download_url: `${file_url}?download=1` };
  };

  return {
    /** The file that lies at this address of ours. */
    find: ({ pathname }: URL) => find(pathname.split('/')[2]),
    /** Uploads that were cut off. */
    abortedCount: () => abortedCount,
    /** `POST /api/v1/files/upload/stream`: multipart `file`, optional `upload_path`, `file_name`. */
    async upload(request: IncomingMessage): Promise<Answer> {
      const type = request.headers['content-type'] ?? '';
      if (!/^multipart\/form-data;.*boundary=/i.test(type))
        throw refuse(400, 'Content-Type must be multipart/form-data');
      if (usedCount() >= MAX_FILES) throw refuse(403, 'File quota exceeded');
      // Its place is taken before the body is read, without a pause: a full disk is found first, and many at once are counted.
      const id = `file_${letters(16)}`;
      folder ??= mkdtempSync(join(tmpdir(), 'evolink-sandbox-'));
      const path = join(folder, `${id}.bin`);
      writeFileSync(path, '', { flag: 'wx', mode: 0o600 });
      receivingCount += 1;
      try {
        const bytes = await readBytes(request, MAX_FORM_BYTES);
        if (bytes === undefined) throw tooLarge();
        const form = await new Response(bytes, { headers: { 'content-type': type } }).formData();
        const upload = await readForm(form, id, path, clock.now());
        writeFileSync(join(folder, `${id}.json`), JSON.stringify(upload), { mode: 0o600 });
        uploads.set(id, upload);
        return filesAnswer(200, 'File uploaded successfully', toFileObject(upload));
      } catch (error) {
        if (error instanceof ApiProblem) throw error;
        if (!request.complete) abortedCount += 1;
        throw refuse(400, 'The multipart body is broken or was cut off');
      } finally {
        receivingCount -= 1;
        if (!uploads.has(id)) await rm(path, { force: true });
      }
    },
    /** `GET /api/v1/files/list?page&pageSize`. */
    list(query: URLSearchParams): Answer {
      const page = Math.max(1, Number(query.get('page')) || 1);
      const pageSize = Math.min(100, Math.max(1, Number(query.get('pageSize')) || 20));
      const found = all();
      const files = found.slice((page - 1) * pageSize, page * pageSize).map(toFileObject);
      return filesAnswer(200, 'ok', { files, total: found.length, page, pageSize });
    },
    /** `DELETE /api/v1/files/{file_id}`. */
    async remove(id: string): Promise<Answer> {
      const upload = find(id);
      if (upload === undefined) throw refuse(404, 'File not found');
      uploads.delete(id);
      await rm(upload.path, { force: true });
      await rm(upload.path.replace(/\.bin$/, '.json'), { force: true });
      return filesAnswer(200, 'File deleted successfully', {});
    },
    /** `GET /api/v1/files/quota`. */
    quota(): Answer {
      const used_files = usedCount();
      const counts = { used_files, max_files: MAX_FILES, remain_files: MAX_FILES - used_files };
      return filesAnswer(200, 'ok', { user_group: 'default', ...counts });
    },
    close: async (): Promise<void> => {
      if (stateFolder === undefined && folder) await rm(folder, { recursive: true, force: true });
    },
  };
}

const refuse = (status: number, message: string) => new ApiProblem(status, 'invalid_request', message);
const tooLarge = () => refuse(413, 'File size exceeds the limit of 100 MB');

/** `{success, code, msg, data?}` */
export function filesAnswer(status: number, message: string, data?: unknown): Answer {
  return jsonAnswer(status, { success: status === 200, code: status, msg: message, data });
}

function isUpload(value: unknown): value is Upload {
  return isRecord(value) && typeof value.path === 'string' && isRecord(value.facts);
}

async function readForm(form: FormData, file_id: string, path: string, nowMs: number) {
  const file = form.get('file');
  if (!(file instanceof File)) throw refuse(400, 'The field "file" is missing');
  const { name: original_name, size: file_size } = file;
  if (file_size > MAX_FILE_BYTES) throw tooLarge();
  if (file_size === 0) throw refuse(400, 'File is empty');
  await writeFile(path, Buffer.from(await file.arrayBuffer()));
  const facts = await readFileFacts(path);
  // curl names the type of pictures only.
  const isVague = ['application/octet-stream', 'text/plain'].includes(file.type);
  const mime_type = isVague ? (facts.mimeType ?? file.type) : file.type;
  if (!MIME_TYPES.includes(mime_type)) throw refuse(400, `Unsupported file type: ${mime_type}`);
  const text = (name: string) => form.get(name)?.toString() ?? '';
  return {
    file_id,
    file_name: basename(text('file_name')) || `${file_id}${extname(original_name).toLowerCase()}`,
    original_name,
    file_size,
    mime_type,
    upload_path: text('upload_path') || 'uploads',
    upload_time: new Date(nowMs).toISOString(),
    expires_at: new Date(nowMs + UPLOAD_LIFE_MS).toISOString(),
    path,
    facts,
  };
}

/** Only the bounded reader is the client's; which types, sizes and lengths are good is judged by this server's own table. */
async function readFileFacts(path: string): Promise<FileFacts> {
  const { inspectFile } = await import('../media/inspect.ts');
  const { facts, problems, isOverLimit } = await inspectFile(path);
  if (facts === undefined) return { isBroken: isOverLimit };
  const isBroken = problems.length > 0;
  const isSoundOnly = facts.mimeType === 'video/mp4' && !isBroken && facts.widthPx === undefined;
  return { ...facts, isBroken, ...(isSoundOnly && { mimeType: 'audio/mp4' }) };
}
