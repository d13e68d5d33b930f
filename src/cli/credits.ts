import type { Credits } from '../api/answers.ts';
import { CREDITS_PER_USD } from '../request/models.ts';
import { type SpentCredits, sumSpending } from '../task/spending.ts';
import { formatCount, formatCredits } from '../ui/format.ts';
import type { Invocation } from './flags.ts';
import { formOf } from './form.ts';
import { runInFrame } from './frame.ts';
import type { Session } from './session.ts';

/** `evolink credits`: the balance, and what the records on this machine say was spent. */
export function runCredits({ context, options }: Invocation): Promise<number> {
  return runInFrame(context, { form: options }, async ({ session, reporter }) => {
    const spent = sumSpending(ownRecords(session), await session.journal.readPruned());
    const spentText = toLines(spentLines(spent).map(session.commands.inText));
    // What is known here is worth showing without the service.
    if (formOf(options) === 'human') await context.io.stdout.write(spentText);
    const { api } = await session.connect();
    const credits = await api.getCredits(context.signals.signal);
    await reporter.print('credits', toCreditsDocument(credits, spent), toLines(balanceLines(credits)));
    return 0;
  });
}

/** Tasks of another service, such as a local one, cost nothing here. */
function* ownRecords({ journal, isOwn }: Session) {
  for (const record of journal.readAll()) if (isOwn(record)) yield record;
}

type Spending = ReturnType<typeof sumSpending>;

/** The document of `evolink credits --json`. Every key is always there; what is not known is null. */
function toCreditsDocument(credits: Credits, { ended, open, dismissed, uncertain_tasks }: Spending) {
  const spent = ({ used, reserved, ...tasks }: SpentCredits) => ({
    ...tasks,
    used: rounded(used),
    reserved: rounded(reserved),
  });
  return {
    spendable: rounded(credits.spendable),
    spendable_usd: toUsd(credits.spendable),
    user: { remaining: rounded(credits.userRemaining), used: rounded(credits.userUsed) },
    key: { remaining: rounded(credits.tokenRemaining), is_unlimited: credits.isTokenUnlimited },
    journal: { ended: spent(ended), open: spent(open), dismissed: spent(dismissed), uncertain_tasks },
  };
}

/** Sums of decimal fractions carry noise far behind the point. */
function rounded(credits: number | undefined): number | null {
  return credits === undefined ? null : Number(formatCredits(credits));
}

function toUsd(credits: number | undefined): number | null {
  return credits === undefined ? null : Number((credits / CREDITS_PER_USD).toFixed(2));
}

function spentLines({ ended, open, dismissed, uncertain_tasks: uncertain }: Spending): string[] {
  return [
    `ended tasks  ${describeSpent(ended)}`,
    `pending      ${describeSpent(open)}`,
    ...(dismissed.tasks === 0 ? [] : [`dismissed    ${describeSpent(dismissed)}, unconfirmed`]),
    ...(uncertain === 0
      ? []
      : [`uncertain    ${formatCount(uncertain, 'task')} that may have been accepted: evolink resume`]),
  ];
}

function describeSpent({ tasks, used, reserved, unpriced_tasks: unpriced }: SpentCredits): string {
  if (tasks === 0) return 'nothing on this machine';
  const parts = [
    ...(used > 0 || reserved === 0 ? [`${formatCredits(used)} credits charged`] : []),
    ...(reserved > 0 ? [`${formatCredits(reserved)} credits reserved`] : []),
    ...(unpriced > 0 ? [`${formatCount(unpriced, 'task')} of unknown price`] : []),
  ];
  return `${parts.join(', ')} (${formatCount(tasks, 'task')} on this machine)`;
}

function balanceLines({ spendable, userRemaining, userUsed, tokenRemaining, isTokenUnlimited }: Credits) {
  const known = (credits: number | undefined, word: string): string =>
    credits === undefined ? 'not known' : `${formatCredits(credits)} credits ${word}`.trimEnd();
  const usd = toUsd(spendable);
  return [
    `account      ${known(userRemaining, 'left')}${userUsed === undefined ? '' : `, ${formatCredits(userUsed)} used in total`}`,
    `this key     ${isTokenUnlimited ? 'no separate limit' : known(tokenRemaining, 'left')}`,
    `available    ${known(spendable, '')}${usd === null ? '' : ` (about ${usd.toFixed(2)} USD)`}`,
  ];
}

function toLines(texts: readonly string[]): string {
  return texts.map((text) => `${text}\n`).join('');
}
