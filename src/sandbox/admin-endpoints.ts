import type { IncomingMessage } from 'node:http';
import { EvolinkError } from '../errors.ts';
import { type Answer, jsonAnswer } from './answer.ts';
import { ApiProblem } from './api-problem.ts';
import { isRecord, readJsonBody } from './read-json-body.ts';
import type { SandboxContext } from './sandbox-context.ts';

/** `GET /__sandbox/ledger`: everything that happened, as JSON. */
export function ledgerEndpoint({ ledger, faults }: SandboxContext): Answer {
  return jsonAnswer(200, {
    requests: ledger.requests(),
    charges: ledger.charges(),
    tasks: ledger.tasks(),
    callbacks: ledger.callbacks(),
    leaked_credentials: ledger.leakedCredentials(),
    pending_faults: faults.pending(),
  });
}

/**
 * `POST /__sandbox/faults {"faults": "submit:429"}`: adds faults while the server runs.
 * @throws ApiProblem 400
 */
export async function addFaultsEndpoint(request: IncomingMessage, context: SandboxContext): Promise<Answer> {
  const { faults } = await readJsonBody(request);
  if (typeof faults !== 'string')
    throw new ApiProblem(400, 'invalid_parameter', 'faults must be text', 'faults');
  try {
    context.addFaults(faults);
  } catch (error) {
    if (!(error instanceof EvolinkError)) throw error;
    throw new ApiProblem(
      400,
      'invalid_parameter',
      [error.message, ...(error.facts.details ?? [])].join('; '),
      'faults',
    );
  }
  return jsonAnswer(200, { pending_faults: context.faults.pending() });
}

/**
 * `POST /__sandbox/clock {"advanceMs": 90000000}`: moves the server's time, so that tasks end and links expire.
 * @throws ApiProblem 400
 */
export async function moveClockEndpoint(request: IncomingMessage, context: SandboxContext): Promise<Answer> {
  const body: unknown = await readJsonBody(request);
  const advanceMs = isRecord(body) ? body.advanceMs : undefined;
  if (typeof advanceMs !== 'number' || !Number.isFinite(advanceMs)) {
    throw new ApiProblem(400, 'invalid_parameter', 'advanceMs must be a number', 'advanceMs');
  }
  context.clock.move(advanceMs);
  context.tasks.settleDue();
  return jsonAnswer(200, { now: new Date(context.clock.now()).toISOString() });
}
