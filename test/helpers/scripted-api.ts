import type { ListedTask, SubmitOutcome, TaskSnapshot } from '../../src/api/answers.ts';
import type { ApiClient } from '../../src/api/client.ts';

/** One answer to a read: a snapshot, or an error to throw. */
export type Reading = Partial<TaskSnapshot> | Error;

export interface ApiScript {
  readonly submits?: readonly SubmitOutcome[];
  /** The last one is repeated. */
  readonly readings?: readonly Reading[];
  /** Newest first; absent = the service has no list. */
  readonly listed?: readonly ListedTask[];
}

/** A service that answers by a script, for the logic above HTTP. */
export function createScriptedApi(script: ApiScript) {
  const submits: string[] = [];
  const reads: string[] = [];
  const client: ApiClient = {
    baseUrl: 'https://api.evolink.ai',
    prepare: () => undefined,
    async submit(_body, { idempotencyKey }) {
      submits.push(idempotencyKey);
      const outcome = script.submits?.[submits.length - 1];
      if (outcome === undefined) throw new Error('a POST that the test does not expect');
      return outcome;
    },
    async getTask(id) {
      reads.push(id);
      const reading = script.readings?.[Math.min(reads.length, script.readings.length) - 1];
      if (reading === undefined) throw new Error('a read that the test does not expect');
      if (reading instanceof Error) throw reading;
      return { id, state: 'running', status: 'processing', isKnownStatus: true, links: [], ...reading };
    },
    async listTasks({ page, pageSize }) {
      if (script.listed === undefined) return undefined;
      const tasks = script.listed.slice((page - 1) * pageSize, page * pageSize);
      return { tasks, page, pageSize };
    },
    async getTasks() {
      return undefined;
    },
    async getCredits() {
      return { isTokenUnlimited: false };
    },
  };
  return { ...client, submits, reads };
}
