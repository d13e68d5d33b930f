import { extname, resolve } from 'node:path';
import { isFile } from '../platform/folders.ts';
import { quoteCommand } from '../platform/text.ts';

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
  return /^https?:\/\/\S+$/i.test(word) && URL.canParse(word);
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
