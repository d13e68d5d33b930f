import { basename } from 'node:path';
import type { TaskEvent } from '../generate/events.ts';
import { sanitizeServerText } from '../platform/server-text.ts';
import { formatBytes, formatDuration } from './format.ts';
import type { EventLine } from './format-event.ts';
import { toIsoTime } from './json-document.ts';

const MEDIA_KINDS = ['media', 'upload-started', 'upload-bytes', 'upload-retry', 'uploaded'] as const;

/** What happens to reference media before a request is sent. */
export type MediaEvent = Extract<TaskEvent, { kind: (typeof MEDIA_KINDS)[number] }>;

/** Says whether an event is about reference media. */
export function isMediaEvent(event: TaskEvent): event is MediaEvent {
  return MEDIA_KINDS.some((kind) => kind === event.kind);
}

/** `image 1 = style.png, 1600×1200`; `uploaded: image 1 (style.png)`. The bytes are shown in other ways. */
export function formatMediaEvent(event: MediaEvent): EventLine | undefined {
  switch (event.kind) {
    case 'media':
      return { label: 'media', text: describeMedia(event), tone: 'info' };
    case 'upload-started':
      return { label: 'uploading', text: `${nameOf(event)}, ${formatBytes(event.totalBytes)}`, tone: 'info' };
    case 'upload-retry': {
      const what = `the upload of ${nameOf(event)} broke off (${sanitizeServerText(event.reason)})`;
      const delay = formatDuration(Math.ceil(event.delayMs / 1000) * 1000);
      return { label: 'retry', text: `${what}; next try in ${delay}`, tone: 'warning', repeatKey: what };
    }
    case 'uploaded': {
      const text = event.isReused
        ? `${nameOf(event)} is there already, from an earlier upload`
        : nameOf(event);
      return { label: 'uploaded', text, tone: 'info' };
    }
    case 'upload-bytes':
      return undefined;
  }
}

/** `image 1 (first frame) = style.png, 1600×1200`. */
export function describeMedia({
  name,
  role,
  label,
  facts,
}: Pick<Extract<MediaEvent, { kind: 'media' }>, 'name' | 'role' | 'label' | 'facts'>): string {
  const place = role === undefined ? name : `${name} (${role})`;
  const known = facts === undefined ? '' : `, ${facts}`;
  return `${place} = ${sanitizeServerText(label)}${known}`;
}

function nameOf({ name, path }: { readonly name: string; readonly path: string }): string {
  const file = sanitizeServerText(basename(path));
  // A file on its own is called by its path.
  return path.endsWith(name) ? sanitizeServerText(name) : `${name} (${file})`;
}

/** The fields of a line of the `--events` stream. */
export function toMediaFields(event: MediaEvent): Record<string, unknown> {
  switch (event.kind) {
    case 'media': {
      const { name, role, label, facts, isLocal } = event;
      return { name, role: role ?? null, label, facts: facts ?? null, local: isLocal };
    }
    case 'upload-started':
      return { name: event.name, path: event.path, total_bytes: event.totalBytes };
    case 'upload-bytes':
      return {
        name: event.name,
        path: event.path,
        sent_bytes: event.sentBytes,
        total_bytes: event.totalBytes,
      };
    case 'upload-retry':
      return { name: event.name, path: event.path, reason: event.reason, delay_ms: event.delayMs };
    case 'uploaded': {
      const { name, path, url, expiresAtMs, isReused } = event;
      return { name, path, url, expires_at: toIsoTime(expiresAtMs), reused: isReused };
    }
  }
}
