import { once } from 'node:events';
import { extname, resolve } from 'node:path';
import { EvolinkError } from '../errors.ts';
import type { CheckUrl } from '../media/check-url.ts';
import { describeFacts } from '../media/facts.ts';
import { verifyClip } from '../media/inspect.ts';
import type { MediaReview } from '../media/judge.ts';
import { isLoopbackUrl } from '../platform/address-class.ts';
import type { Context } from '../platform/context.ts';
import { isFile } from '../platform/folders.ts';
import { dropKeys } from '../platform/process.ts';
import { parseUrl, quoteCommand } from '../platform/text.ts';
import { estimateCredits } from '../request/estimate.ts';
import { hideUser, publicUrlProblem } from '../request/public-url.ts';
import { createMediaReader, type Job } from '../run/job.ts';
import { fill, REVIEW } from '../ui/documents.ts';
import type { Frame } from './frame.ts';

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
    location: hideUser(item.location),
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

/** A host that does not answer keeps its place until its time is over. */
const CHECKS_AT_ONCE = 16;

/** Why no request may hold a URL of media; undefined where one may. */
export function urlProblem({ session }: Frame, url: string): string | undefined {
  return publicUrlProblem(url, { schemes: ['http', 'https'], allowLoopback: session.isLoopbackApi });
}

/** How URLs are looked at: each once, wherever it stands, and some at a time. */
export async function createUrlCheck(frame: Frame): Promise<CheckUrl> {
  const { context, session } = frame;
  const { checkUrl } = await import('../media/check-url.ts');
  const { default: PQueue } = await import('p-queue');
  const queue = new PQueue({ concurrency: CHECKS_AT_ONCE });
  const links = session.openMediaLinks();
  const { clock, signals } = context;
  const known = new Map<string, ReturnType<CheckUrl>>();
  return (url) => {
    // Refused as it stands, where the request is read.
    if (urlProblem(frame, url) !== undefined) return Promise.resolve({ problems: [], remarks: [] });
    // Nothing of an API on this machine leaves it.
    const isOutside = session.isLoopbackApi && !isLoopbackUrl(url);
    const remark = 'was not checked: the sandbox stays on this machine';
    if (isOutside) return Promise.resolve({ problems: [], remarks: [remark] });
    const check = known.get(url) ?? queue.add(() => checkUrl(url, { links, clock, signal: signals.signal }));
    known.set(url, check);
    return check;
  };
}

/** Notes in jobs what their media URLs are found to be; the lengths of reference videos change what they cost. */
export async function checkUrls(frame: Frame, jobs: readonly Job[]): Promise<void> {
  const checkUrl = await createUrlCheck(frame);
  const readMedia = createMediaReader({ workingFolder: frame.context.cwd, checkUrl });
  const look = async (job: Job): Promise<void> => {
    if (job.media.reviews.every(({ item }) => item.isLocal)) return;
    const { operation, body } = job.request;
    job.media = { ...(await readMedia({ operation, ...body })), local: job.media.local };
    job.estimate = estimateCredits(job.request, { ...frame.session.pricing, ...job.media });
  };
  await Promise.all(jobs.map(look));
}

/** The flags of media, and how files of their kinds are called, also those of types that the service does not accept. */
const KINDS = [
  { flag: '-i', long: '--image', extension: /^\.(jpe?g|png|webp|gif|bmp|tiff?|heic|heif|avif)$/i },
  { flag: '-v', long: '--video', extension: /^\.(mp4|mov|m4v|webm|mkv|avi)$/i },
  { flag: '-a', long: '--audio', extension: /^\.(mp3|wav|m4a|aac|flac|ogg)$/i },
] as const;
/** The commands that have them. */
const VERBS: readonly (string | undefined)[] = ['i2v', 'ref', 'again'];

/** Whether a word is a URL and nothing else. */
export function isUrl(word: string): boolean {
  return /^https?:\/\/\S+$/i.test(word) && parseUrl(word) !== undefined;
}

/** The flag that a file or URL is named with, by its extension: `-i`. */
export function mediaFlag(word: string): string | undefined {
  const path = isUrl(word) ? new URL(word).pathname : word;
  return KINDS.find(({ extension }) => extension.test(extname(path)))?.flag;
}

/** The command line that takes a file or URL of media: `evolink i2v "…" -i first.jpg`. */
export function mediaCommand(verb: string, word: string): string {
  const flag = mediaFlag(word) ?? '-i';
  const isTaken = verb === 'ref' || (verb === 'i2v' && flag === '-i');
  const taker = isTaken ? verb : flag === '-i' ? 'i2v' : 'ref';
  return `evolink ${taker} "…" ${quoteCommand([flag, word])}`;
}

/**
 * `-i first.jpg last.png`, which a shell also makes of `-i *.png`, as `-i first.jpg -i last.png`: words behind a media flag
 * are its values too where they are existing files, or URLs, of its kind, up to the next flag. All others stay as they are.
 */
export function spreadMedia(argv: readonly string[], cwd: string): readonly string[] {
  if (!VERBS.includes(argv.find((word) => !word.startsWith('-')))) return argv;
  const end = argv.includes('--') ? argv.indexOf('--') : argv.length;
  let open: string | undefined;
  let isValue = false;
  const words = argv.slice(0, end).flatMap((word) => {
    if (isValue) {
      isValue = false;
      return [word];
    }
    if (!word.startsWith('-')) return open !== undefined && isOfKind(word, open, cwd) ? [open, word] : [word];
    const kind = KINDS.find(
      ({ flag, long }) => word === long || word.startsWith(`${long}=`) || word.startsWith(flag),
    );
    open = kind?.flag;
    isValue = kind !== undefined && (word === kind.flag || word === kind.long);
    return [word];
  });
  return [...words, ...argv.slice(end)];
}

function isOfKind(word: string, flag: string, cwd: string): boolean {
  if (isUrl(word)) return (mediaFlag(word) ?? flag) === flag;
  return mediaFlag(word) === flag && isFile(resolve(cwd, word));
}

/** A player may stay for as long as it is looked at; what can't be opened is known before. */
const SETTLED_MS = 2_000;

/**
 * Shows a clip in the system's player, once it is known to be a video.
 * @throws EvolinkError `local-io`
 */
export async function openClip(path: string, { secrets }: Pick<Context, 'secrets'>): Promise<void> {
  const verdict = await verifyClip(path);
  if ('doubt' in verdict)
    throw new EvolinkError('local-io', `"${path}" is not opened as a video: ${verdict.doubt}`);
  const { default: open } = await import('open');
  // The player is given the environment as it is.
  dropKeys(secrets);
  const player = await open(path).catch((error: Error) => {
    throw new EvolinkError('local-io', `could not open "${path}": ${error.message}`);
  });
  player.ref();
  const signal = AbortSignal.timeout(SETTLED_MS);
  const ended: unknown[] =
    player.exitCode === null ? await once(player, 'exit', { signal }).catch(() => []) : [];
  player.unref();
  const [exitCode = player.exitCode] = ended;
  if (exitCode)
    throw new EvolinkError('local-io', `${player.spawnfile} could not open "${path}" (exit ${exitCode})`);
}
