import type { FaultRow } from './fault-row.ts';
import type { FaultPoint } from './fault-types.ts';

const TASK: readonly FaultPoint[] = ['task'];

/** Faults of the life of a task, decided when it is submitted. */
export const TASK_FAULT_ROWS: readonly FaultRow[] = [
  {
    points: TASK,
    kind: 'fail',
    does: 'the task ends as failed and is refunded',
    bareOption: 'code',
    options: { code: 'the task error code', message: 'the message; \\n for a line break' },
    example: 'task:fail(content_policy_violation)',
  },
  {
    points: TASK,
    kind: 'cancel',
    does: 'the task ends as cancelled and is refunded',
    example: 'task:cancel',
  },
  { points: TASK, kind: 'never', does: 'the task stays in processing for ever', example: 'task:never' },
  {
    points: TASK,
    kind: 'word',
    does: 'the task stays in a status that no document names',
    bareOption: 'word',
    requiredOption: 'word',
    options: { word: 'the status word' },
    example: 'task:word(archiving)',
  },
  {
    points: TASK,
    kind: 'links',
    does: 'the task has several result links',
    amount: 'number of links',
    isAmountRequired: true,
    isModifier: true,
    example: 'task:links@3',
  },
  {
    points: TASK,
    kind: 'result-data',
    does: 'the link is in result_data.video_url only',
    isModifier: true,
    example: 'task:result-data',
  },
  {
    points: TASK,
    kind: 'slow',
    does: 'the task takes N times as long',
    amount: 'factor',
    isAmountRequired: true,
    isModifier: true,
    example: 'task:slow@10',
  },
  {
    points: TASK,
    kind: 'instant',
    does: 'the task needs no time',
    isModifier: true,
    example: 'task:instant',
  },
];
