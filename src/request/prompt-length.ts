import { PROMPT_LIMITS } from './limits.ts';

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
export function lengthRemark(prompt: string): { message: string; isOver: boolean } | undefined {
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
