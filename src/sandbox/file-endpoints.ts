import type { IncomingMessage } from 'node:http';
import { basename, extname } from 'node:path';
import busboy from 'busboy';
import { type Answer, jsonAnswer } from './answer.ts';
import type { SandboxContext } from './sandbox-context.ts';
import type { Upload, UploadBook } from './upload-book.ts';

const MAX_FILE_BYTES = 100_000_000;
const MAX_FILES = 500;
const DEFAULT_PATH = 'uploads';
const MIME_TYPES: Readonly<Record<string, string>> = {
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
  '.png': 'image/png',
  '.webp': 'image/webp',
  '.mp4': 'video/mp4',
  '.mov': 'video/quicktime',
  '.wav': 'audio/wav',
  '.mp3': 'audio/mpeg',
};

type Received = Awaited<ReturnType<UploadBook['receive']>>;

interface ReceivedForm {
  readonly fields: ReadonlyMap<string, string>;
  readonly file?: {
    readonly received: Received;
    readonly name: string;
    readonly mimeType: string;
    readonly isTooBig: boolean;
  };
}

/** `POST /api/v1/files/upload/stream`: multipart `file`, optional `upload_path`, `file_name`. */
export async function uploadEndpoint(request: IncomingMessage, context: SandboxContext): Promise<Answer> {
  if (!/^multipart\/form-data;.*boundary=/i.test(request.headers['content-type'] ?? '')) {
    return filesAnswer(400, 'Content-Type must be multipart/form-data');
  }
  if (context.uploads.all().length >= MAX_FILES) return filesAnswer(403, 'File quota exceeded');
  const form = await receiveForm(request, context.uploads).catch(() => undefined);
  if (form === undefined) return filesAnswer(400, 'The multipart body is broken');
  const { file, fields } = form;
  if (file === undefined) return filesAnswer(400, 'The field "file" is missing');
  const refusal = refusalOf(file);
  if (refusal !== undefined) {
    await context.uploads.discard(file.received.filePath);
    return refusal;
  }
  const fileName =
    basename(fields.get('file_name') ?? '') || `${file.received.id}${extname(file.name).toLowerCase()}`;
  const uploadPath = fields.get('upload_path') || DEFAULT_PATH;
  const mimeType = toMimeType(file.name, file.mimeType);
  const upload = await context.uploads.add(file.received, {
    fileName,
    originalName: file.name,
    uploadPath,
    mimeType,
  });
  return filesAnswer(200, 'File uploaded successfully', toFileObject(upload, context.linkUrl()));
}

function refusalOf(file: NonNullable<ReceivedForm['file']>): Answer | undefined {
  if (file.isTooBig) return filesAnswer(413, 'File size exceeds the limit of 100 MB');
  if (file.received.sizeBytes === 0) return filesAnswer(400, 'File is empty');
  const mimeType = toMimeType(file.name, file.mimeType);
  return Object.values(MIME_TYPES).includes(mimeType)
    ? undefined
    : filesAnswer(400, `Unsupported file type: ${mimeType}`);
}

/** A part that names no type is judged by its name. */
function toMimeType(name: string, given: string): string {
  const isVague = given === '' || given === 'application/octet-stream' || given === 'text/plain';
  return (isVague ? MIME_TYPES[extname(name).toLowerCase()] : given) ?? given;
}

function receiveForm(request: IncomingMessage, uploads: UploadBook): Promise<ReceivedForm> {
  return new Promise((resolve, reject) => {
    const fields = new Map<string, string>();
    let file: Promise<ReceivedForm['file']> | undefined;
    const parser = busboy({
      headers: request.headers,
      limits: { files: 1, fileSize: MAX_FILE_BYTES },
      defParamCharset: 'utf8',
    });
    parser.on('field', (name, value) => fields.set(name, value));
    parser.on('file', (field, stream, info) => {
      if (field !== 'file') {
        stream.resume();
        return;
      }
      file = uploads.receive(stream).then((received) => ({
        received,
        name: info.filename ?? 'file',
        mimeType: info.mimeType,
        isTooBig: stream.truncated === true,
      }));
      file.catch(reject);
    });
    parser.on('error', reject);
    parser.on('close', () => {
      (file ?? Promise.resolve(undefined)).then(
        (done) => resolve({ fields, ...(done === undefined ? {} : { file: done }) }),
        reject,
      );
    });
    request.on('aborted', () => reject(new Error('the upload was cut')));
    request.pipe(parser);
  });
}

/** `GET /api/v1/files/list?page&pageSize`. */
export function fileListEndpoint(query: URLSearchParams, { uploads, linkUrl }: SandboxContext): Answer {
  const page = Math.max(1, Number(query.get('page')) || 1);
  const pageSize = Math.min(100, Math.max(1, Number(query.get('pageSize')) || 20));
  const all = uploads.all();
  const files = all
    .slice((page - 1) * pageSize, page * pageSize)
    .map((upload) => toFileObject(upload, linkUrl()));
  return filesAnswer(200, 'ok', { files, total: all.length, page, pageSize });
}

/** `DELETE /api/v1/files/{file_id}`. */
export async function fileDeleteEndpoint(fileId: string, { uploads }: SandboxContext): Promise<Answer> {
  const isRemoved = await uploads.remove(fileId);
  return isRemoved ? filesAnswer(200, 'File deleted successfully', {}) : filesAnswer(404, 'File not found');
}

/** `GET /api/v1/files/quota`. */
export function fileQuotaEndpoint({ uploads }: SandboxContext): Answer {
  const used = uploads.all().length;
  const data = {
    user_group: 'default',
    used_files: used,
    max_files: MAX_FILES,
    remain_files: MAX_FILES - used,
  };
  return filesAnswer(200, 'ok', data);
}

/** `{success, code, msg, data?}` */
export function filesAnswer(status: number, message: string, data?: unknown): Answer {
  const envelope = { success: status === 200, code: status, msg: message };
  return jsonAnswer(status, data === undefined ? envelope : { ...envelope, data });
}

function toFileObject(upload: Upload, linkUrl: string): Record<string, unknown> {
  const url = `${linkUrl}/f/${upload.id}/${encodeURIComponent(upload.fileName)}`;
  return {
    file_id: upload.id,
    file_name: upload.fileName,
    original_name: upload.originalName,
    file_size: upload.sizeBytes,
    mime_type: upload.mimeType,
    upload_path: upload.uploadPath,
    file_url: url,
    download_url: `${url}?download=1`,
    upload_time: new Date(upload.uploadedAtMs).toISOString(),
    expires_at: new Date(upload.expiresAtMs).toISOString(),
  };
}
