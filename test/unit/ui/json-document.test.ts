import { expect, test } from 'vitest';
import { EvolinkError, StoppedError } from '../../../src/errors.ts';
import type { TaskResult } from '../../../src/task/events.ts';
import { toErrorDocument, toIsoTime, toResultDocument, toStoppedDocument } from '../../../src/ui/json.ts';

const SAVED: TaskResult = {
  localId: '01JCXYZ',
  taskId: 'task-1',
  state: 'saved',
  operation: 't2v',
  model: 'seedance-2.0-text-to-video',
  path: '/clips/frog.mp4',
  sizeBytes: 8_600_000,
  sha256: 'ab12',
  media: { durationSeconds: 5.04, widthPx: 1280, heightPx: 720, hasAudio: true },
  estimatedCredits: 67.5,
  reservedCredits: 70,
  usedCredits: 67.5,
  linkExpiresAtMs: Date.UTC(2026, 10, 22, 9, 0, 0),
  warnings: ['frame rate differs'],
};

test('the document of a saved clip', () => {
  expect(toResultDocument(SAVED)).toMatchInlineSnapshot(`
    {
      "credits": {
        "estimated": 67.5,
        "reserved": 70,
        "used": 67.5,
      },
      "link_expires_at": "2026-11-22T09:00:00.000Z",
      "local_id": "01JCXYZ",
      "media": {
        "duration_seconds": 5.04,
        "has_audio": true,
        "height_px": 720,
        "width_px": 1280,
      },
      "model": "seedance-2.0-text-to-video",
      "ok": true,
      "operation": "t2v",
      "path": "/clips/frog.mp4",
      "schema_version": 1,
      "sha256": "ab12",
      "size_bytes": 8600000,
      "state": "saved",
      "task_id": "task-1",
      "warnings": [
        "frame rate differs",
      ],
    }
  `);
});

test('the document of a submitted task has the same keys, unknown ones null', () => {
  const document = toResultDocument({ localId: '01JCXYZ', state: 'submitted', warnings: [] });
  expect(Object.keys(document)).toEqual(Object.keys(toResultDocument(SAVED)));
  expect(document).toMatchInlineSnapshot(`
    {
      "credits": {
        "estimated": null,
        "reserved": null,
        "used": null,
      },
      "link_expires_at": null,
      "local_id": "01JCXYZ",
      "media": null,
      "model": null,
      "ok": true,
      "operation": null,
      "path": null,
      "schema_version": 1,
      "sha256": null,
      "size_bytes": null,
      "state": "submitted",
      "task_id": null,
      "warnings": [],
    }
  `);
});

test('the document of an error with all facts', () => {
  const error = new EvolinkError('pending', 'the task still runs', {
    hint: 'wait',
    details: ['pending since 09:00'],
    taskId: 'task-1',
    localId: '01JCXYZ',
    requestId: 'req-9',
    httpStatus: 200,
    serviceCode: 'busy',
    resume: ['evolink', 'resume'],
  });
  expect(toErrorDocument(error)).toMatchInlineSnapshot(`
    {
      "error": {
        "charged": "yes",
        "code": "pending",
        "details": [
          "pending since 09:00",
        ],
        "exit": 7,
        "hint": "wait",
        "http_status": 200,
        "local_id": "01JCXYZ",
        "message": "the task still runs",
        "request_id": "req-9",
        "resume": [
          "evolink",
          "resume",
        ],
        "retryable": true,
        "service_code": "busy",
        "task_id": "task-1",
      },
      "ok": false,
      "schema_version": 1,
    }
  `);
});

test('the document of an error without facts', () => {
  expect(toErrorDocument(new EvolinkError('usage', 'no prompt'))).toMatchInlineSnapshot(`
    {
      "error": {
        "charged": "no",
        "code": "usage",
        "details": [],
        "exit": 2,
        "hint": null,
        "http_status": null,
        "local_id": null,
        "message": "no prompt",
        "request_id": null,
        "resume": null,
        "retryable": false,
        "service_code": null,
        "task_id": null,
      },
      "ok": false,
      "schema_version": 1,
    }
  `);
});

test('a stop has the shape of an error', () => {
  const document = toStoppedDocument(new StoppedError('SIGTERM'), {
    taskId: 'task-1',
    resume: ['evolink', 'resume'],
  });
  expect(Object.keys(document.error)).toEqual(
    Object.keys(toErrorDocument(new EvolinkError('usage', 'x')).error),
  );
  expect(document).toMatchInlineSnapshot(`
    {
      "error": {
        "charged": "yes",
        "code": "signal",
        "details": [],
        "exit": 143,
        "hint": "only the waiting ended: generation and billing go on, and the clip can be saved later",
        "http_status": null,
        "local_id": null,
        "message": "stopped by SIGTERM",
        "request_id": null,
        "resume": [
          "evolink",
          "resume",
        ],
        "retryable": true,
        "service_code": null,
        "task_id": "task-1",
      },
      "ok": false,
      "schema_version": 1,
    }
  `);
});

test.each([undefined, Number.NaN, Number.POSITIVE_INFINITY, 9e15])('the moment %s is null', (atMs) => {
  expect(toIsoTime(atMs)).toBeNull();
});
