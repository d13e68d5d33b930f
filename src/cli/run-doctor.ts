import { type EvolinkError, isEvolinkError, SIGNAL_EXITS, StoppedError } from '../errors.ts';
import { toJsonText } from '../ui/json-text.ts';
import { loadTheme } from '../ui/load-theme.ts';
import { unexpected } from './command-frame.ts';
import type { Context } from './context.ts';
import {
  askService,
  checkClock,
  checkConfig,
  checkDisk,
  checkJournal,
  checkNode,
  checkProxy,
  checkTls,
  type Finding,
} from './doctor-checks.ts';
import { type FormOptions, formOf } from './form.ts';
import { openSession, type Session } from './session.ts';

type Verdict = 'ok' | 'warning' | 'failed' | 'skipped';

interface Check {
  readonly name: string;
  readonly verdict: Verdict;
  readonly text: string;
  readonly hint?: string | undefined;
  readonly exit: number;
}

/** Gathers the checks; the value of one that succeeded is handed on to those that build on it. */
interface Examination {
  readonly checks: Check[];
  look<T>(
    name: string,
    action: () => Promise<T> | T,
    describe: (value: T) => Finding,
  ): Promise<T | undefined>;
  note(name: string, finding: Finding): void;
  skip(name: string, reason: string): void;
}

/** `evolink doctor`: everything that can be wrong, in the order in which a command would meet it. */
export async function runDoctor(context: Context, options: FormOptions): Promise<number> {
  try {
    const checks = await examine(context, options);
    await show(context, checks, options);
    return checks.find(({ verdict }) => verdict === 'failed')?.exit ?? 0;
  } catch (error) {
    if (error instanceof StoppedError) return SIGNAL_EXITS[error.signal];
    throw error;
  }
}

async function examine(context: Context, options: FormOptions): Promise<readonly Check[]> {
  const exam = createExamination();
  await exam.look('node', () => checkNode(context), itself);
  await exam.look('tls', () => checkTls(context), itself);
  const warnings: string[] = [];
  const warn = (message: string): void => void warnings.push(message);
  const session = await exam.look('config', () => openSession(context, { form: options, warn }), checkConfig);
  if (session === undefined) exam.skip('the rest', 'needs a configuration that can be read');
  else {
    try {
      await examineService(context, session, exam);
      await exam.look('records', () => checkJournal(session), itself);
      await exam.look('disk', () => checkDisk(context, session), itself);
    } finally {
      await session.close();
    }
  }
  for (const text of warnings) exam.note('config', { text, isWarning: true });
  return exam.checks;
}

/** Key, proxy, host and clock. The host is asked without a key as well: a missing key and a dead network are two things. */
async function examineService(context: Context, session: Session, exam: Examination): Promise<void> {
  const service = await exam.look(
    'key',
    () => session.connect(),
    () => ({ text: session.isSandbox ? 'that of the sandbox' : 'found, and well-formed' }),
  );
  const route = await exam.look('proxy', () => checkProxy(context, session), itself);
  const baseUrl = service?.api.baseUrl ?? (session.isSandbox ? undefined : session.baseUrl);
  if (baseUrl === undefined || route === undefined)
    return exam.skip('service', 'what comes before it must work');
  const answer = await exam.look(
    'service',
    () => askService(context, session, baseUrl),
    ({ status }) => ({ text: `${baseUrl} answers (HTTP ${status} without a key)` }),
  );
  if (answer === undefined) return exam.skip('account', 'the service was not reached');
  await exam.look('clock', () => checkClock(context, answer), itself);
  if (service === undefined) return exam.skip('account', 'needs a key');
  await exam.look(
    'account',
    () => service.api.getCredits(context.signals.signal),
    ({ spendable }) => ({
      text:
        spendable === undefined
          ? 'the key is accepted'
          : `the key is accepted, ${spendable} credits to spend`,
      isWarning: spendable !== undefined && spendable <= 0,
    }),
  );
}

function itself(finding: Finding): Finding {
  return finding;
}

function createExamination(): Examination {
  const checks: Check[] = [];
  const note = (name: string, { text, isWarning = false }: Finding): void =>
    void checks.push({ name, verdict: isWarning ? 'warning' : 'ok', text, exit: 0 });
  return {
    checks,
    note,
    skip: (name, reason) => void checks.push({ name, verdict: 'skipped', text: reason, exit: 0 }),
    async look(name, action, describe) {
      try {
        const value = await action();
        note(name, describe(value));
        return value;
      } catch (error) {
        if (error instanceof StoppedError) throw error;
        const known = isEvolinkError(error) ? error : unexpected(error);
        checks.push(toFailure(name, known));
        return undefined;
      }
    },
  };
}

function toFailure(name: string, error: EvolinkError): Check {
  const { hint } = error.facts;
  // Many errors say to come here; who is here needs to hear nothing.
  const isCircular = hint?.includes('evolink doctor') === true;
  return {
    name,
    verdict: 'failed',
    text: error.message,
    hint: isCircular ? undefined : hint,
    exit: error.exit,
  };
}

async function show(context: Context, checks: readonly Check[], options: FormOptions): Promise<void> {
  const { stdout, isUnicode } = context.io;
  if (formOf(options) !== 'human') {
    const ok = checks.every(({ verdict }) => verdict !== 'failed');
    const rows = checks.map(({ name, verdict, text, hint, exit }) => ({
      name,
      verdict,
      text,
      hint: hint ?? null,
      exit,
    }));
    await stdout.write(`${toJsonText({ schema_version: 1, ok, checks: rows })}\n`);
    return;
  }
  const theme = await loadTheme(stdout, isUnicode);
  const colors: Readonly<Record<Verdict, (text: string) => string>> = {
    ok: theme.success,
    warning: theme.warning,
    failed: theme.error,
    skipped: theme.dim,
  };
  for (const { name, verdict, text, hint } of checks) {
    await stdout.write(`${colors[verdict](verdict.padEnd(8))} ${name.padEnd(9)} ${text}\n`);
    if (hint !== undefined) await stdout.write(`${' '.repeat(19)}${theme.accent('hint:')} ${hint}\n`);
  }
}
