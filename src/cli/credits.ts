import type { Credits } from '../api/answers.ts';
import type { Context } from '../platform/context.ts';
import { CREDITS_PER_USD } from '../request/models.ts';
import type { TaskRecord } from '../task/record.ts';
import { type SpentCredits, sumSpending } from '../task/spending.ts';
import { formatCredits } from '../ui/format.ts';
import { type FormOptions, formOf } from './form.ts';
import { runInFrame } from './frame.ts';
import type { Session } from './session.ts';

/** `evolink credits`: the balance, and what the records on this machine say was spent. */
export function runCredits(context: Context, options: FormOptions): Promise<number> {
  return runInFrame(context, { form: options }, async ({ session, reporter }) => {
    const spent = sumSpending(ownRecords(session), await session.journal.readPruned());
    const spentText = lines(spentLines(spent).map(session.commands.inText));
    // What is known here is worth showing without the service.
    if (formOf(options) === 'human') await context.io.stdout.write(spentText);
    const { api } = await session.connect();
    const credits = await api.getCredits(context.signals.signal);
    await reporter.print('credits', toCreditsDocument(credits, spent), lines(balanceLines(credits)));
    return 0;
  });
}

/** Tasks of another service, such as a local one, cost nothing here. */
function* ownRecords({ journal, isOwn }: Session): Generator<TaskRecord> {
  for (const record of journal.readAll()) if (isOwn(record)) yield record;
}

/** The document of `evolink credits --json`. Every key is always there; what is not known is null. */
function toCreditsDocument(
  credits: Credits,
  { ended, open, dismissed, uncertain_tasks }: ReturnType<typeof sumSpending>,
) {
  return {
    spendable: rounded(credits.spendable),
    spendable_usd: toUsd(credits.spendable),
    user: { remaining: rounded(credits.userRemaining), used: rounded(credits.userUsed) },
    key: { remaining: rounded(credits.tokenRemaining), is_unlimited: credits.isTokenUnlimited },
    journal: {
      ended: toSpentDocument(ended),
      open: toSpentDocument(open),
      dismissed: toSpentDocument(dismissed),
      uncertain_tasks,
    },
  };
}

function toSpentDocument({ used, reserved, ...tasks }: SpentCredits) {
  return { ...tasks, used: rounded(used), reserved: rounded(reserved) };
}

/** Sums of decimal fractions carry noise far behind the point. */
function rounded(credits: number | undefined): number | null {
  return credits === undefined ? null : Number(formatCredits(credits));
}

function toUsd(credits: number | undefined): number | null {
  return credits === undefined ? null : Number((credits / CREDITS_PER_USD).toFixed(2));
}

function spentLines({ ended, open, dismissed, uncertain_tasks }: ReturnType<typeof sumSpending>): string[] {
  return [
    `spent here   ${describeSpent(ended)}`,
    `open here    ${describeSpent(open)}`,
    ...(dismissed.tasks === 0 ? [] : [`dismissed    ${describeSpent(dismissed)}, unconfirmed`]),
    ...(uncertain_tasks === 0
      ? []
      : [`uncertain    ${tasksText(uncertain_tasks)} that may have been accepted: evolink resume`]),
  ];
}

function describeSpent({ tasks, used, reserved, unpriced_tasks }: SpentCredits): string {
  if (tasks === 0) return 'nothing';
  const parts = [
    ...(used > 0 || reserved === 0 ? [`${formatCredits(used)} credits used`] : []),
    ...(reserved > 0 ? [`${formatCredits(reserved)} credits reserved`] : []),
    ...(unpriced_tasks > 0 ? [`${tasksText(unpriced_tasks)} of unknown price`] : []),
  ];
  return `${parts.join(', ')} (${tasksText(tasks)})`;
}

function tasksText(count: number): string {
  return count === 1 ? '1 task' : `${count} tasks`;
}

function balanceLines({
  spendable,
  userRemaining,
  userUsed,
  tokenRemaining,
  isTokenUnlimited,
}: Credits): string[] {
  const usd = toUsd(spendable);
  const key = isTokenUnlimited ? 'no separate limit' : known(tokenRemaining, 'left');
  return [
    `account      ${known(userRemaining, 'left')}${userUsed === undefined ? '' : `, ${formatCredits(userUsed)} used in total`}`,
    `this key     ${key}`,
    `available    ${known(spendable, '')}${usd === null ? '' : ` (about ${usd.toFixed(2)} USD)`}`,
  ];
}

function known(credits: number | undefined, word: string): string {
  return credits === undefined ? 'not known' : `${formatCredits(credits)} credits ${word}`.trimEnd();
}

function lines(texts: readonly string[]): string {
  return texts.map((text) => `${text}\n`).join('');
}
