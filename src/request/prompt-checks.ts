import { PROMPT_LIMITS } from './fields.ts';
import { MEDIA_KINDS, type MediaKind, type Operation } from './models.ts';

/** A character that shows something, by blocks: Unicode's properties would take 30 ms to compile. */
const VISIBLE =
  /[!-~\u00a1-\u00ac\u00ae-\u061b\u061d-\u1fff\u2010-\u2027\u2030-\u205e\u2070-\u2fff\u3001-\ufefe\uff00-\uffff]/;

/** Chinese, Japanese and Korean letters by their blocks too. */
const CJK =
  /[\u1100-\u11ff\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3038-\u303b\u3041-\u30ff\u3131-\u318e\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff66-\uffdc\u{20000}-\u{323af}]/gu;
/** Anything but ASCII and general punctuation. */
const WORD_CHARACTER = /[^\x20-\x2f:-@[-`{-\xbf\u2000-\u2bff\u3000-\u303f]/;

/** The nouns that prompts number, as the service's documents write them and in scripts that join the number to them. */
const NOUNS: Readonly<Record<MediaKind, string>> = {
  // 图 alone, but not in words for map, intention, layout, blueprint.
  image: '\\bimages?|이미지|图片|圖片|图像|圖像|画像|(?<![地意版蓝藍])[图圖]',
  video: '\\bvideos?|비디오|영상|视频|影片|視頻|動画|ビデオ',
  audio: '\\baudios?|오디오|音频|音訊|音頻|音声|オーディオ',
};
/** A small number that is no ratio (16:9), size (4k), count (3张) or length (10 seconds). Blanks are bounded: no quadratic time. */
const NUMBER =
  '\\d{1,2}(?![\\dA-Za-z]|[.:x×/]\\d|[ \\t]{0,3}-?[ \\t]{0,3}(?:seconds?|secs?|frames?|fps|px|pixels?|%|초|프레임|개|장|秒|帧|张|張|枚|个))';
const JOIN = '[ \\t]{0,3}(?:,[ \\t]{0,3}and\\b|,|、|&|and\\b|to\\b|[-–~]|과|와|和|与|與)[ \\t]{0,3}';

const PATTERNS = MEDIA_KINDS.map((kind) => ({
  kind,
  pattern: new RegExp(`(${NOUNS[kind]})[ \\t#_-]{0,3}(${NUMBER}(?:${JOIN}${NUMBER})*)`, 'gi'),
}));

interface PromptFinding {
  readonly message: string;
  /** It keeps the prompt from being sent. */
  readonly isHard?: boolean;
}

/**
 * What is wrong or doubtful about a prompt: what the service would refuse, its length against the recommendations, numbers
 * of media that are not given and, in `ref`, media that it never speaks of.
 */
export function* checkPrompt(
  prompt: unknown,
  operation: Operation,
  countOf: (kind: MediaKind) => number,
): Generator<PromptFinding> {
  const example = `evolink ${operation} "a paper boat on a lake at dawn"${operation === 't2v' ? '' : ' --image boat.jpg'}`;
  if (prompt === undefined) yield hard(`missing; describe the video, for example: ${example}`);
  else if (typeof prompt !== 'string') yield hard('must be text');
  if (typeof prompt !== 'string') return;
  if (!VISIBLE.test(prompt)) yield hard('must not be empty');
  // Neither survives JSON and the service's own parsing unchanged.
  if (/[\0\ud800-\udfff]/u.test(prompt))
    yield hard('holds a broken character (half a character, or NUL); save the text as UTF-8');
  // Most are far shorter than any limit.
  if (prompt.length > PROMPT_LIMITS.recommendedCjkCharacters) yield* lengthFindings(prompt);
  if (MEDIA_KINDS.some((kind) => countOf(kind) > 0)) yield* mediaFindings(prompt, operation, countOf);
}

const hard = (message: string): PromptFinding => ({ message, isHard: true });

function* lengthFindings(prompt: string): Generator<PromptFinding> {
  const { maxTokens, recommendedCjkCharacters, recommendedWords } = PROMPT_LIMITS;
  let [cjk, words, minTokens] = [0, 0, 0];
  for (const [run] of prompt.matchAll(/\S+/g)) {
    const count = run.match(CJK)?.length ?? 0;
    cjk += count;
    if (WORD_CHARACTER.test(run.replace(CJK, ''))) words += 1;
    // The service's tokenizer is not public; none joins more than a few CJK characters, or 128 characters at all.
    minTokens += Math.ceil(Math.max(count / 4, run.length / 128));
  }
  if (minTokens > maxTokens) yield hard(`must be at most ${maxTokens} tokens; this is at least ${minTokens}`);
  else if (cjk > recommendedCjkCharacters || words > recommendedWords)
    yield {
      message: `has ${cjk} Chinese, Japanese or Korean characters and ${words} words; at most ${recommendedCjkCharacters} and ${recommendedWords} are recommended, and ${maxTokens} tokens are the limit`,
    };
}

function* mediaFindings(
  prompt: string,
  operation: Operation,
  countOf: (kind: MediaKind) => number,
): Generator<PromptFinding> {
  // NFKC turns full-width and circled digits into plain ones.
  const text = prompt.normalize('NFKC');
  for (const { kind, pattern } of PATTERNS) {
    const count = countOf(kind);
    /** Numbers that media are named by; the 2 of "image 1, 2 dogs" may be another, and is not sure. */
    const [sure, all] = [new Set<number>(), new Set<number>()];
    for (const [, noun = '', list = ''] of text.matchAll(pattern)) {
      const digits = list.match(/\d+/g)?.map(Number) ?? [];
      const [first = 0, last = first] = digits;
      const isRange = digits.length === 2 && /[-–~]|to/.test(list);
      const length = Math.max(0, last - first + 1);
      const numbers = isRange ? Array.from({ length }, (_, index) => first + index) : digits;
      for (const number of numbers) all.add(number);
      for (const number of noun.toLowerCase() === kind ? [first] : numbers) sure.add(number);
    }
    const named = (numbers: readonly number[]) => numbers.map((number) => `${kind} ${number}`).join(', ');
    const missing = [...sure].filter((number) => number > count || number === 0).sort((a, b) => a - b);
    const unnamed = Array.from({ length: count }, (_, index) => index + 1).filter((each) => !all.has(each));
    const noun = `${kind}${kind === 'audio' ? ' file' : ''}${count === 1 ? ' is' : 's are'}`;
    if (missing.length > 0)
      yield { message: `names ${named(missing)}, but ${count === 0 ? 'no' : `only ${count}`} ${noun} given` };
    // Who numbers none may speak of all of them in other words.
    if (operation === 'ref' && sure.size > 0 && unnamed.length > 0)
      yield {
        message: `never names ${named(unnamed)}; say what it is for, as in "${kind} ${unnamed[0]} as …"`,
      };
  }
}
