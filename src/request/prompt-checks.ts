import {
  MEDIA_KINDS,
  type MediaKind,
  type Operation,
  PROMPT_LIMITS,
  type Problem,
  type Sourced,
} from './models.ts';
import { type Findings, problemAt } from './problems.ts';

/** Chinese, Japanese and Korean letters by their blocks: properties of Unicode take 30 ms to compile. */
const CJK_CHARACTERS =
  /[\u1100-\u11ff\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3038-\u303b\u3041-\u30ff\u3131-\u318e\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff66-\uffdc\u{20000}-\u{323af}]/gu;

/** Tokenizers split at white space, and none joins more than a few CJK characters or 128 characters at all. */
const MAX_CJK_CHARACTERS_A_TOKEN = 4;
const MAX_CHARACTERS_A_TOKEN = 128;

interface PromptLength {
  readonly cjkCharacters: number;
  /** Runs between white space, of text other than Chinese, Japanese and Korean. */
  readonly words: number;
  /** Surely not fewer tokens than this, whatever the tokenizer. */
  readonly minTokens: number;
  /** A usual number of tokens: one a word, one a CJK character. */
  readonly likelyTokens: number;
}

/** Measures a prompt. The tokenizer of the service is not public, so tokens are bounded, not counted. */
export function measurePrompt(prompt: string): PromptLength {
  let cjkCharacters = 0;
  let words = 0;
  let minTokens = 0;
  for (const [run] of prompt.matchAll(/\S+/g)) {
    const cjk = run.match(CJK_CHARACTERS)?.length ?? 0;
    cjkCharacters += cjk;
    if (/[\p{L}\p{N}]/u.test(run.replace(CJK_CHARACTERS, ''))) words += 1;
    minTokens += Math.ceil(Math.max(cjk / MAX_CJK_CHARACTERS_A_TOKEN, run.length / MAX_CHARACTERS_A_TOKEN));
  }
  return { cjkCharacters, words, minTokens, likelyTokens: cjkCharacters + words };
}

function checkLength(at: Sourced<string>, { problems, warnings }: Findings): void {
  const { minTokens, likelyTokens, cjkCharacters, words } = measurePrompt(at.value);
  const { maxTokens, recommendedCjkCharacters, recommendedWords } = PROMPT_LIMITS;
  const warn = (message: string) => warnings.push(problemAt(at, message));
  if (minTokens > maxTokens)
    problems.push(problemAt(at, `must be at most ${maxTokens} tokens; this is at least ${minTokens}`));
  else if (likelyTokens > maxTokens)
    warn(`is probably above the hard limit of ${maxTokens} tokens (about ${likelyTokens})`);
  else if (cjkCharacters > recommendedCjkCharacters)
    warn(
      `has ${cjkCharacters} Chinese, Japanese or Korean characters; at most ${recommendedCjkCharacters} are recommended`,
    );
  else if (words > recommendedWords) warn(`has ${words} words; at most ${recommendedWords} are recommended`);
}

interface PromptContext {
  readonly operation: Operation;
  /** How many files of each kind are given. */
  readonly counts: Readonly<Record<MediaKind, number>>;
}

/** The nouns that prompts number, as the service's documents write them and in scripts that join the number to them. */
const NUMBERED: Readonly<Record<MediaKind, string>> = {
  // 图 alone, but not in words for map, intention, layout, blueprint.
  image: '\\bimages?|이미지|图片|圖片|图像|圖像|画像|(?<![地意版蓝藍])[图圖]',
  video: '\\bvideos?|비디오|영상|视频|影片|視頻|動画|ビデオ',
  audio: '\\baudios?|오디오|音频|音訊|音頻|音声|オーディオ',
};
/** A small number that is no ratio (16:9), size (4k), count (3张) or length (10 seconds). Blanks are bounded: no quadratic time. */
const NUMBER =
  '\\d{1,2}(?![\\dA-Za-z]|[.:x×/]\\d|[ \\t]{0,3}-?[ \\t]{0,3}(?:seconds?|secs?|frames?|fps|px|pixels?|%|초|프레임|개|장|秒|帧|张|張|枚|个))';
const JOIN = '[ \\t]{0,3}(?:,[ \\t]{0,3}and\\b|,|、|&|and\\b|to\\b|[-–~]|과|와|和|与|與)[ \\t]{0,3}';

interface NamedNumbers {
  /** "image 2", "@image2", "images 1 and 3", "images 1-3", "이미지1", "图2". */
  readonly sure: ReadonlySet<number>;
  /** The 2 of "image 1 and 2", but also of "image 1, 2 dogs". */
  readonly maybe: ReadonlySet<number>;
}

function namedNumbers(prompt: string, kind: MediaKind): NamedNumbers {
  const pattern = `(${NUMBERED[kind]})[ \\t#_-]{0,3}(${NUMBER}(?:${JOIN}${NUMBER})*)`;
  const sure = new Set<number>();
  const maybe = new Set<number>();
  // NFKC turns full-width and circled digits into plain ones.
  for (const [, noun = '', list = ''] of prompt.normalize('NFKC').matchAll(new RegExp(pattern, 'gi'))) {
    let previous: number | undefined;
    for (const [, join = '', digits] of list.matchAll(/([^\d]*)(\d+)/g)) {
      const number = Number(digits);
      const from = previous !== undefined && /[-–~]|to/.test(join) ? previous : number;
      const isSure = previous === undefined || noun.toLowerCase() !== kind;
      for (let each = Math.min(from, number); each <= number; each += 1) (isSure ? sure : maybe).add(each);
      previous = number;
    }
  }
  return { sure, maybe };
}

function referenceWarnings(at: Sourced<string>, { operation, counts }: PromptContext): Problem[] {
  return MEDIA_KINDS.flatMap((kind): Problem[] => {
    const count = counts[kind];
    const { sure, maybe } = namedNumbers(at.value, kind);
    const list = (numbers: readonly number[]) => numbers.map((number) => `${kind} ${number}`).join(', ');
    const missing = [...sure].filter((number) => number > count || number === 0).sort((a, b) => a - b);
    const given = Array.from({ length: count }, (_, index) => index + 1);
    const unnamed = given.filter((number) => !sure.has(number) && !maybe.has(number));
    const noun = `${kind}${kind === 'audio' ? ' file' : ''}${count === 1 ? ' is' : 's are'}`;
    const messages = [
      ...(missing.length > 0
        ? [`names ${list(missing)}, but ${count === 0 ? 'no' : `only ${count}`} ${noun} given`]
        : []),
      // Who numbers none may speak of all of them in other words.
      ...(operation === 'ref' && sure.size > 0 && unnamed.length > 0
        ? [`never names ${list(unnamed)}; say what it is for, as in "${kind} ${unnamed[0]} as …"`]
        : []),
    ];
    return messages.map((message) => problemAt(at, message));
  });
}

/**
 * Reports what is doubtful about a prompt as warnings: its length against the recommendations, numbers of media that are
 * not given and, in `ref`, media that it never speaks of. A prompt that is certainly above the hard limit is a problem.
 */
export function checkPrompt(at: Sourced<string>, context: PromptContext, findings: Findings): void {
  checkLength(at, findings);
  if (MEDIA_KINDS.some((kind) => context.counts[kind] > 0))
    findings.warnings.push(...referenceWarnings(at, context));
}
