import { basename } from 'node:path';
import type { CheckUrl } from '../media/check-url.ts';
import { describeFacts } from '../media/facts.ts';
import type { MediaReview } from '../media/judge.ts';
import type { LocalMedia } from '../media/upload.ts';
import { isLoopbackHost } from '../platform/address-class.ts';
import type { Context } from '../platform/context.ts';
import { formatBytes, quoteCommand } from '../platform/text.ts';
import { checkUrlsOf, createMediaReader, type Job, type PriceOptions } from '../run/job.ts';
import { fill, REVIEW } from '../ui/documents.ts';
import type { Session } from './session.ts';

/** What is wrong with one file, in lines: what it is, each rule that it breaks, and the command that fixes it. Pure. */
export function mediaProblemLine({ item, facts, problems, fix }: MediaReview): string {
  const name = item.name === item.label ? `"${item.label}"` : `${item.name} "${item.label}"`;
  const head = facts === undefined || facts.sizeBytes === 0 ? name : `${name} (${describeFacts(facts)})`;
  const lines = problems.map(({ is, allowed }) => `${is}: ${allowed}`);
  const [first = ''] = lines;
  const body = lines.length === 1 ? [`${head} ${first}`] : [head, ...lines];
  return [...body, ...(fix === undefined ? [] : [`to fix it: ${quoteCommand(fix)}`])].join('\n');
}

/** One file as JSON. Every key is always there; what is not known is null. */
export function toReviewDocument({ item, facts, problems, remarks: warnings, fix }: MediaReview) {
  const { length } = problems;
  const source = {
    ...facts,
    ...item,
    kind: item.kind ?? facts?.kind,
    isOk: length === 0,
    problems,
    warnings,
  };
  return {
    ...fill(REVIEW, source),
    fix: fix === undefined ? null : { command: [...fix], line: quoteCommand(fix) },
  };
}

/** One file that would be uploaded, as JSON; `placeholder` stands in the body where its URL will be. */
export function toUploadDocument({ path, name, sizeBytes, mimeType, sha256 }: LocalMedia) {
  return { placeholder: path, name, path, size_bytes: sizeBytes, mime_type: mimeType, sha256 };
}

/** The same for people. */
export function uploadLine({ path, name, sizeBytes }: LocalMedia): string {
  return `would upload: ${basename(path)} (${name}), ${formatBytes(sizeBytes)}; its URL takes the place of the path below`;
}

/** A host that does not answer keeps its place until its time is over. */
const CHECKS_AT_ONCE = 16;

/** How URLs are looked at: each once, wherever it stands, and some at a time. */
export async function createUrlCheck(context: Context, session: Session): Promise<CheckUrl> {
  const { checkUrl } = await import('../media/check-url.ts');
  const { default: PQueue } = await import('p-queue');
  const queue = new PQueue({ concurrency: CHECKS_AT_ONCE });
  const links = session.openMediaLinks();
  const { clock, signals } = context;
  const known = new Map<string, ReturnType<CheckUrl>>();
  return (url) => {
    // Nothing of an API on this machine leaves it.
    const isOutside = session.isLoopbackApi && !isLoopbackHost(new URL(url).hostname);
    const remark = 'was not checked: the sandbox stays on this machine';
    if (isOutside) return Promise.resolve({ problems: [], remarks: [remark] });
    const check = known.get(url) ?? queue.add(() => checkUrl(url, { links, clock, signal: signals.signal }));
    known.set(url, check);
    return check;
  };
}

/** Notes in jobs what their media URLs are found to be. */
export async function checkUrls(
  context: Context,
  session: Session,
  jobs: readonly Job[],
  pricing: Pick<PriceOptions, 'prices' | 'priceCredits'>,
): Promise<void> {
  const checkUrl = await createUrlCheck(context, session);
  await checkUrlsOf(jobs, {
    ...pricing,
    readMedia: createMediaReader({ workingFolder: context.cwd, checkUrl }),
  });
}
