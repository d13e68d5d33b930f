import { quoteCommand } from '../platform/text.ts';
import type { ResumeOutcome } from '../task/resume.ts';

/** What became of one task of several, for people, ending in a newline: what is left to do as exact commands. */
export function describeOutcome(outcome: ResumeOutcome): string {
  const name = outcome.record.taskId ?? outcome.record.localId;
  switch (outcome.kind) {
    case 'done':
      return `${name}: ${outcome.result.state === 'skipped' ? 'the file is there already' : 'saved'}\n`;
    case 'dropped':
      return `${name}: was never sent and never charged; closed. The same command sends it anew.\n`;
    case 'failed':
      return [`${name}: ${outcome.error.message}`, ...nextSteps(outcome.error)]
        .map((line) => `${line}\n`)
        .join('');
  }
}

function nextSteps({ kind, facts }: Extract<ResumeOutcome, { kind: 'failed' }>['error']): readonly string[] {
  // Only a person can decide what becomes of an uncertain request, and needs all that is known for it.
  const details = kind === 'unknown' ? (facts.details ?? []) : [];
  const command = facts.resume === undefined ? undefined : quoteCommand(facts.resume);
  return [
    ...details.map((detail) => `  - ${detail}`),
    ...(command === undefined ? [] : [`  continue with: ${command}`]),
  ];
}
