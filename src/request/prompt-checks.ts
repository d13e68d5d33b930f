import {
  MEDIA_KINDS,
  type MediaKind,
  type Operation,
  PROMPT_LIMITS,
  type Problem,
  type Sourced,
} from './models.ts';
import { type Findings, problemAt } from './problems.ts';

const CJK_CHARACTERS = /[\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}]/gu;

/** Tokenizers split at white space, and none joins more than a few CJK characters or 128 characters at all. */
const MAX_CJK_CHARACTERS_A_TOKEN = 4;
const MAX_CHARACTERS_A_TOKEN = 128;

export interface PromptLength {
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

/** What to say about a prompt's length; `isOver` = certainly above the hard limit. Undefined where all is well. */
function lengthRemark(prompt: string): { message: string; isOver: boolean } | undefined {
  const length = measurePrompt(prompt);
  const { maxTokens, recommendedCjkCharacters, recommendedWords } = PROMPT_LIMITS;
  if (length.minTokens > maxTokens) {
    const message = `must be at most ${maxTokens} tokens; this is at least ${length.minTokens}`;
    return { message, isOver: true };
  }
  if (length.likelyTokens > maxTokens) {
    const message = `is probably above the hard limit of ${maxTokens} tokens (about ${length.likelyTokens})`;
    return { message, isOver: false };
  }
  if (length.cjkCharacters > recommendedCjkCharacters) {
    const message = `has ${length.cjkCharacters} Chinese, Japanese or Korean characters; at most ${recommendedCjkCharacters} are recommended`;
    return { message, isOver: false };
  }
  if (length.words <= recommendedWords) return undefined;
  const message = `has ${length.words} words; at most ${recommendedWords} are recommended`;
  return { message, isOver: false };
}

/** How a prompt speaks of the media of one kind. */
export interface PromptReferences {
  /** Numbers surely meant: "image 2", "@image2", "images 1 and 2", "이미지1", "图2". */
  readonly named: ReadonlySet<number>;
  /** Numbers perhaps meant: the 2 of "image 1 and 2", "the second image". */
  readonly maybeNamed: ReadonlySet<number>;
  /** Speaks of one without a number ("the image"). */
  readonly hasSingular: boolean;
  /** Speaks of several, or of any, without numbers ("these images", "사진처럼"). */
  readonly hasPlural: boolean;
}

interface Nouns {
  /** The word that documents number, in English and in scripts that join numbers to it. */
  readonly numbered: string;
  readonly numberedCjk: string;
  readonly singular: string;
  readonly plural: string;
  readonly anyCjk: string;
}

const NOUNS: Readonly<Record<MediaKind, Nouns>> = {
  image: {
    numbered: 'image',
    // 图 alone, but not in words for map, intention, layout, blueprint.
    numberedCjk: '이미지|图片|圖片|图像|圖像|画像|(?<![地意版蓝藍])[图圖]',
    singular: 'image|picture|photo|photograph|illustration|drawing',
    plural: 'images|pictures|photos|photographs|illustrations|drawings|references|files|assets',
    anyCjk: '이미지|사진|그림|图|圖|画像|写真|照片|イメージ',
  },
  video: {
    numbered: 'video',
    numberedCjk: '비디오|视频|影片|視頻|動画|ビデオ',
    singular: 'video|clip|footage|movie',
    plural: 'videos|clips|movies|references|files|assets',
    anyCjk: '비디오|영상|클립|视频|影片|視頻|動画|ビデオ|片段',
  },
  audio: {
    numbered: 'audio',
    numberedCjk: '오디오|音频|音訊|音頻|音声|オーディオ',
    singular: 'audio|music|song|soundtrack|sound|track|voice|bgm|recording',
    plural: 'audios|songs|soundtracks|sounds|tracks|voices|recordings|references|files|assets',
    anyCjk: '오디오|음악|노래|소리|음성|배경음|音频|音訊|音頻|音乐|音樂|声音|聲音|配乐|音声|音楽|オーディオ',
  },
};

const UNITS =
  'seconds?|secs?|minutes?|mins?|frames?|fps|px|pixels?|percent|%|°|초|분|프레임|개|장|명|秒|分|帧|张|張|枚|幅|个|個|段|人';
// Runs of blanks are bounded everywhere: unbounded ones make a long prompt take quadratic time.
/** A small whole number that is no ratio (16:9), size (4k, 1920x1080), count (3张) or length (10 seconds). */
const NUMBER = `\\d{1,2}(?![\\dA-Za-z]|[.:x×/]\\d|,\\d{3}|[ \\t]{0,3}-?[ \\t]{0,3}(?:${UNITS}))`;
const JOIN =
  '[ \\t]{0,3}(?:,[ \\t]{0,3}(?:and|or)\\b|,|、|&|\\+|and\\b|or\\b|to\\b|through\\b|[-–~]|및|과|와|和|与|與)[ \\t]{0,3}';
const LIST = `${NUMBER}(?:${JOIN}#?${NUMBER})*`;
const GAP = '(?:[ \\t]{0,3}#?[ \\t]{0,3}|[_-])';
const ORDINALS = ['first', 'second', 'third', 'fourth', 'fifth', 'sixth', 'seventh', 'eighth', 'ninth'];
const WORDS = ['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine'];

function numbersOf(list: string): number[] {
  const numbers: number[] = [];
  for (const [, join = '', digits] of list.matchAll(/([^\d]*)(\d+)/g)) {
    const number = Number(digits);
    const previous = numbers.at(-1);
    if (previous !== undefined && /-|–|~|to|through/.test(join)) {
      for (let between = previous + 1; between < number; between += 1) numbers.push(between);
    }
    numbers.push(number);
  }
  return numbers;
}

function readNumbered(text: string, nouns: Nouns) {
  const named = new Set<number>();
  const maybeNamed = new Set<number>();
  const pattern = `(?:(?<![\\p{L}\\p{N}])${nouns.numbered}(?<plural>s?)|(?:${nouns.numberedCjk}))${GAP}(?<list>${LIST})`;
  const regex = new RegExp(pattern, 'giu');
  for (const { groups } of text.matchAll(regex)) {
    const [first, ...others] = numbersOf(groups?.list ?? '');
    if (first !== undefined) named.add(first);
    // After a singular, the next number may count something else: "image 1, 2 dogs".
    for (const number of others) (groups?.plural ? named : maybeNamed).add(number);
  }
  const rest = text.replace(regex, ' ');
  return { named, maybeNamed, rest };
}

function readWords(text: string, nouns: Nouns): number[] {
  const ordinal = new RegExp(
    `\\b(${ORDINALS.join('|')})\\s{1,3}(?:\\w+\\s{1,3})?(?:${nouns.singular})\\b`,
    'gi',
  );
  const word = new RegExp(`\\b${nouns.numbered}\\s{1,3}(${WORDS.join('|')})\\b`, 'gi');
  const index = (list: readonly string[], found = ''): number => list.indexOf(found.toLowerCase()) + 1;
  return [
    ...Array.from(text.matchAll(ordinal), (match) => index(ORDINALS, match[1])),
    ...Array.from(text.matchAll(word), (match) => index(WORDS, match[1])),
  ];
}

function readKind(text: string, nouns: Nouns): PromptReferences {
  const { named, maybeNamed, rest } = readNumbered(text, nouns);
  for (const number of readWords(rest, nouns)) maybeNamed.add(number);
  const several = `\\b(?:${nouns.plural})\\b|\\b(?:all|both|each|every|other|last|final)\\s{1,3}(?:\\w+\\s{1,3})?(?:${nouns.singular})\\b`;
  return {
    named,
    maybeNamed,
    hasSingular: new RegExp(`\\b(?:${nouns.singular})\\b`, 'i').test(rest),
    // "references" as a verb ("the style references image 2") says nothing about other media.
    hasPlural: new RegExp(`${several}|${nouns.anyCjk}`, 'iu').test(
      rest.replace(/(?<!\b(?:the|all|my|these|given) )references\b/gi, ' '),
    ),
  };
}

/** Reads which reference media a prompt names, in English, Korean, Chinese and Japanese. */
export function findReferences(prompt: string): Readonly<Record<MediaKind, PromptReferences>> {
  // NFKC turns full-width and circled digits into plain ones.
  const text = prompt.normalize('NFKC');
  const [image, video, audio] = MEDIA_KINDS.map((kind) => readKind(text, NOUNS[kind]));
  if (image === undefined || video === undefined || audio === undefined)
    throw new TypeError('a media kind is missing');
  return { image, video, audio };
}

export interface PromptContext {
  readonly operation: Operation;
  /** How many files of each kind are given. */
  readonly counts: Readonly<Record<MediaKind, number>>;
}

/** As many media as any kind can have. */
const MAX_NAMES = 9;

function joinNames(kind: MediaKind, numbers: readonly number[]): string {
  const shown =
    numbers.length > MAX_NAMES ? [...numbers.slice(0, MAX_NAMES - 1), ...numbers.slice(-1)] : numbers;
  const names = shown.map((number) => `${kind} ${number}`);
  if (shown !== numbers) return `${names.slice(0, -1).join(', ')}, … and ${names.at(-1)}`;
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`;
}

function missingMessage(kind: MediaKind, count: number, found: PromptReferences): string | undefined {
  const beyond = [...found.named].filter((number) => number > count || number === 0).sort((a, b) => a - b);
  if (beyond.length === 0) return undefined;
  const noun = kind === 'audio' ? 'audio file' : kind;
  if (count === 0) return `names ${joinNames(kind, beyond)}, but no ${noun} is given`;
  const given = count === 1 ? `only 1 ${noun} is given` : `only ${count} ${noun}s are given`;
  return `names ${joinNames(kind, beyond)}, but ${given} (counted from ${kind} 1)`;
}

function unnamedMessage(kind: MediaKind, count: number, found: PromptReferences): string | undefined {
  if (found.hasPlural || (found.hasSingular && count === 1)) return undefined;
  const numbers = Array.from({ length: count }, (_, index) => index + 1);
  const unnamed = numbers.filter((number) => !found.named.has(number) && !found.maybeNamed.has(number));
  if (unnamed.length === 0) return undefined;
  return `never names ${joinNames(kind, unnamed)}; say what it is for, as in "${kind} ${unnamed[0]} as …"`;
}

function referenceWarnings(at: Sourced<string>, context: PromptContext): Problem[] {
  const found = findReferences(at.value);
  return MEDIA_KINDS.flatMap((kind) => {
    const count = context.counts[kind];
    const missing = missingMessage(kind, count, found[kind]);
    const unnamed = context.operation === 'ref' ? unnamedMessage(kind, count, found[kind]) : undefined;
    return [missing, unnamed]
      .filter((message) => message !== undefined)
      .map((message) => problemAt(at, message));
  });
}

/**
 * Reports what is doubtful about a prompt as warnings: its length against the recommendations, numbers of media that are
 * not given and, in `ref`, media that it never speaks of. A prompt that is certainly above the hard limit is a problem.
 */
export function checkPrompt(at: Sourced<string>, context: PromptContext, findings: Findings): void {
  const remark = lengthRemark(at.value);
  if (remark !== undefined) {
    (remark.isOver ? findings.problems : findings.warnings).push(problemAt(at, remark.message));
  }
  findings.warnings.push(...referenceWarnings(at, context));
}
