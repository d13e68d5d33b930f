import type { Credits } from '../api/answers.ts';
import { CREDITS_PER_USD } from '../request/models.ts';
import { type SpentCredits, sumSpending } from '../task/spending.ts';
import { formatCount, formatCredits } from '../ui/format.ts';
import type { Invocation } from './flags.ts';
import { formOf } from './form.ts';
import { runInFrame } from './frame.ts';

/** `evolink credits`: the balance, and what the records on this machine say was spent. */
export function runCredits({ context, options }: Invocation): Promise<number> {
  return runInFrame(context, { form: options }, async ({ session, reporter }) => {
    const { journal, isOwn, commands, connect } = session;
    /** Tasks of another service, such as a local one, cost nothing here. */
    function* ownRecords() {
      for (const record of journal.readAll()) if (isOwn(record)) yield record;
    }
    const spending = sumSpending(ownRecords(), await journal.readPruned());
    // What is known here is worth showing without the service.
    if (formOf(options) === 'human')
      await context.io.stdout.write(commands.inText(describeSpending(spending)));
    const { api } = await connect();
    const credits = await api.getCredits(context.signals.signal);
    await reporter.print('credits', toDocument(credits, spending), describeBalance(credits));
    return 0;
  });
}

type Spending = ReturnType<typeof sumSpending>;

/** The document of `evolink credits --json`. Every key is always there; what is not known is null. */
function toDocument(credits: Credits, { ended, open, dismissed, uncertain_tasks }: Spending) {
  const spent = (sum: SpentCredits) => ({ ...sum, used: rounded(sum.used), reserved: rounded(sum.reserved) });
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

function describeSpending({ ended, open, dismissed, uncertain_tasks: uncertain }: Spending): string {
  const lines = [`ended tasks  ${describeSpent(ended)}\n`, `pending      ${describeSpent(open)}\n`];
  if (dismissed.tasks > 0) lines.push(`dismissed    ${describeSpent(dismissed)}, unconfirmed\n`);
  const task = formatCount(uncertain, 'task');
  if (uncertain > 0) lines.push(`uncertain    ${task} that may have been accepted: evolink resume\n`);
  return lines.join('');
}

function describeSpent({ tasks, used, reserved, unpriced_tasks: unpriced }: SpentCredits): string {
  if (tasks === 0) return 'nothing on this machine';
  const parts: string[] = [];
  if (used > 0 || reserved === 0) parts.push(`${formatCredits(used)} credits charged`);
  if (reserved > 0) parts.push(`${formatCredits(reserved)} credits reserved`);
  if (unpriced > 0) parts.push(`${formatCount(unpriced, 'task')} of unknown price`);
  return `${parts.join(', ')} (${formatCount(tasks, 'task')} on this machine)`;
}

function describeBalance({ spendable, userRemaining, userUsed, tokenRemaining, isTokenUnlimited }: Credits) {
  const known = (credits: number | undefined, word: string): string =>
    credits === undefined ? 'not known' : `${formatCredits(credits)} credits${word}`;
  const usd = toUsd(spendable);
  return [
    `account      ${known(userRemaining, ' left')}${userUsed === undefined ? '' : `, ${formatCredits(userUsed)} used in total`}\n`,
    `this key     ${isTokenUnlimited ? 'no separate limit' : known(tokenRemaining, ' left')}\n`,
    `available    ${known(spendable, '')}${usd === null ? '' : ` (about ${usd.toFixed(2)} USD)`}\n`,
  ].join('');
}
