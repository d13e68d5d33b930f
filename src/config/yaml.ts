import { isAlias, isMap, isNode, isScalar, isSeq, Lexer, LineCounter, type Pair, parseDocument } from 'yaml';
import type { KeyPath } from '../request/problems.ts';

/** 1-based, as editors count; columns in UTF-16 units. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

interface YamlProblem {
  readonly position: Position;
  /** The key it is about; absent for trouble with the text as such. */
  readonly keyPath?: KeyPath | undefined;
  readonly message: string;
}

export interface YamlReading {
  /** Absent where the text is no YAML; present beside other problems, so that one more check can report the rest. */
  readonly document?: {
    /** Plain objects, lists and scalars; `undefined` for a text without content. */
    readonly value: unknown;
    /** Where a key (or a list's item) stands; undefined for one that is not there, and inside of an alias. */
    readonly keyAt: (keyPath: KeyPath) => Position | undefined;
    /** Where its value starts. */
    readonly valueAt: (keyPath: KeyPath) => Position | undefined;
  };
  readonly problems: readonly YamlProblem[];
}

/**
 * What a syntax error means. The parser's own words are not used: they quote the text, which may hold a key.
 * The names are those of the `yaml` package.
 */
const SYNTAX: Readonly<Record<string, string>> = {
  BAD_ALIAS: 'is not the name of an anchor; put the text in quotes',
  BAD_DIRECTIVE: 'directives are not supported; remove the line that starts with %',
  BAD_DQ_ESCAPE: 'is not an escape sequence; write \\\\ for a backslash, or use single quotes',
  BAD_INDENT: 'the indentation does not fit the lines above, or a closing ] or } is missing',
  BAD_SCALAR_START: 'text cannot start with this character; put it in quotes',
  BLOCK_AS_IMPLICIT_KEY: 'is not allowed here; is there a second ": " on the line? put the text in quotes',
  MISSING_CHAR: 'a closing quote, bracket, comma, space or colon is missing',
  MULTILINE_IMPLICIT_KEY: 'a key must stand on one line; is a ":" or a quote missing?',
  MULTIPLE_DOCS: 'the file holds more than one document; remove the --- line',
  NON_STRING_KEY: 'a key must be plain text',
  TAB_AS_INDENT: 'tabs are not allowed as indentation; use spaces',
  TAG_RESOLVE_FAILED: 'has a tag that is not supported; remove the tag',
};

/** Larger texts are refused unread. */
export const MAX_YAML_BYTES = 5_000_000;
/** Levels of lists and objects. */
const MAX_DEPTH = 60;
/** Pieces of syntax: 10,000 jobs of ten lines written out have 1,400,000. */
const MAX_LEXEMES = 1_500_000;
/** In the text; and for one anchor its uses times the aliases inside of what it repeats. */
const MAX_ALIASES = 100;
const MAX_PROBLEMS = 100;
/** Keys that reach into an object's prototype. */
export const FORBIDDEN_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);
const SCALAR_MARK = '\u001f';
/** The lexer's own, which are no part of the text. */
const MARKS = ['\u0002', '\u0018', SCALAR_MARK];

/**
 * What would cost the parser too much: it recurses until the stack is full, and keeps every error with its stack. Only the
 * pieces of syntax are looked at, which takes linear time.
 */
function findExcess(text: string): { readonly message: string; readonly offset: number } | undefined {
  let offset = 0;
  let lexemeCount = 0;
  let aliasCount = 0;
  let emptyCount = 0;
  let flowDepth = 0;
  let lineDepth = 0;
  let previous = '';
  for (const lexeme of new Lexer().lex(text)) {
    lexemeCount += 1;
    if (lexeme.includes('\n')) lineDepth = 0;
    if (previous !== SCALAR_MARK) {
      if (lexeme === '[' || lexeme === '{') flowDepth += 1;
      else if (lexeme === ']' || lexeme === '}') flowDepth -= 1;
      else if (lexeme === '-' || lexeme === '?') lineDepth += 1;
      else if (lexeme === ',' && previous === ',') emptyCount += 1;
      else if (lexeme.startsWith('*')) aliasCount += 1;
    }
    if (flowDepth + lineDepth > MAX_DEPTH) return { message: 'is nested too deeply', offset };
    if (aliasCount > MAX_ALIASES) return { message: `more than ${MAX_ALIASES} aliases are not read`, offset };
    if (lexemeCount > MAX_LEXEMES || emptyCount > MAX_PROBLEMS)
      return { message: 'the file holds too much from here on; split it', offset };
    previous = lexeme;
    if (!MARKS.includes(lexeme)) offset += lexeme.length;
  }
  return undefined;
}

/**
 * Reads YAML 1.2 (and with it JSON) strictly: at most 5 MB, limited nesting and aliases, unique keys that are text; no
 * merge keys, tags of other types, directives, several documents, or keys that reach into an object's prototype. All
 * problems at once, each with its place and without quoting the text. Never throws.
 */
export function readYaml(text: string): YamlReading {
  const lineCounter = new LineCounter();
  const position = (offset: number): Position => {
    const { line, col } = lineCounter.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const refuse = (message: string, offset = 0): YamlReading => ({
    problems: [{ position: position(offset), message }],
  });
  if (text.length > MAX_YAML_BYTES) return refuse('the file is larger than 5 MB');
  const excess = findExcess(text);
  if (excess !== undefined) {
    for (let at = 0; at >= 0 && at <= excess.offset; at = text.indexOf('\n', at) + 1 || -1)
      lineCounter.addNewLine(at);
    return refuse(excess.message, excess.offset);
  }
  const document = parseDocument(text, {
    version: '1.2',
    schema: 'core',
    merge: false,
    // The library's own check takes quadratic time.
    uniqueKeys: false,
    stringKeys: true,
    resolveKnownTags: false,
    prettyErrors: false,
    logLevel: 'error',
    lineCounter,
  });
  // One mistake often gives several errors at one place; the first says it best.
  const messages = new Map<number, string>();
  for (const { pos, code } of [...document.errors, ...document.warnings])
    if (!messages.has(pos[0])) messages.set(pos[0], SYNTAX[code] ?? 'is not valid YAML');
  // A %YAML 1.1 line would bring back merge keys, and `yes` as a boolean.
  if (document.directives.yaml.explicit === true && document.directives.yaml.version !== '1.2')
    messages.set(0, 'only YAML 1.2 is read; remove the %YAML line');
  const problems = [...messages].map(([offset, message]) => ({ position: position(offset), message }));
  if (problems.length > 0) return { problems: problems.slice(0, MAX_PROBLEMS) };
  const { find, badAliases, badKeys } = walk(document.contents, position);
  if (badAliases.length > 0) return { problems: badAliases };
  try {
    const value: unknown = document.toJS({ maxAliasCount: MAX_ALIASES }) ?? undefined;
    const at = (offset: number | undefined) => (offset === undefined ? undefined : position(offset));
    return {
      document: {
        value,
        keyAt: (keyPath) => at(find(keyPath)?.key),
        valueAt: (keyPath) => at(find(keyPath)?.value),
      },
      problems: badKeys.slice(0, MAX_PROBLEMS),
    };
  } catch {
    // Only its limit on aliases.
    return refuse('aliases make the file too large');
  }
}

/** Where something stands: offsets of its key and its value. */
interface Place {
  readonly id: number;
  readonly key?: number | undefined;
  readonly value: number | undefined;
}

/**
 * Where everything stands, and what the parser lets pass: an alias without its anchor, or one to what it is part of, which
 * would never end; keys that are no text, that are given twice or that could reach into an object's prototype, which are
 * left out. What an alias repeats stands somewhere else: inside of it there are no places.
 */
function walk(contents: unknown, position: (offset: number) => Position) {
  const root: Place = { id: 0, value: offsetOf(contents) };
  /** By the number of what they are in, and their own key. */
  const places = new Map<string, Place>();
  const badAliases: YamlProblem[] = [];
  const badKeys: YamlProblem[] = [];
  /** Whether what an anchor names has ended. */
  const anchors = new Map<string, boolean>();
  const visitIn = (parent: Place, keyPath: KeyPath, node: unknown, key: number | undefined): void => {
    const place = { id: places.size + 1, key, value: offsetOf(node) ?? key };
    places.set(`${parent.id} ${keyPath.at(-1)}`, place);
    visit(place, keyPath, node);
  };
  const visit = (place: Place, keyPath: KeyPath, node: unknown): void => {
    if (isAlias(node)) {
      const hasEnded = anchors.get(node.source);
      if (hasEnded === true) return;
      const message = hasEnded === false ? 'is an alias of something that it is part of' : SYNTAX.BAD_ALIAS;
      badAliases.push({ position: position(place.value ?? 0), keyPath, message: message ?? '' });
      return;
    }
    const anchor = isNode(node) && 'anchor' in node ? node.anchor : undefined;
    if (anchor !== undefined) anchors.set(anchor, false);
    if (isSeq(node)) {
      for (const [index, item] of node.items.entries())
        visitIn(place, [...keyPath, index], item, offsetOf(item));
    } else if (isMap(node)) {
      node.items = node.items.filter(({ key, value }: Pair) => {
        const name = isScalar(key) ? String(key.value ?? '') : '';
        const path = [...keyPath, name];
        const at = offsetOf(key) ?? place.value;
        const message = keyProblem(key, name, places.has(`${place.id} ${name}`));
        if (message === undefined) visitIn(place, path, value, at);
        else badKeys.push({ position: position(at ?? 0), keyPath: path, message });
        return message === undefined;
      });
    }
    if (anchor !== undefined) anchors.set(anchor, true);
  };
  visit(root, [], contents);
  const find = (keyPath: KeyPath) =>
    keyPath.reduce<Place | undefined>((place, key) => place && places.get(`${place.id} ${key}`), root);
  return { find, badAliases, badKeys };
}

function keyProblem(key: unknown, name: string, isTaken: boolean): string | undefined {
  if (!isScalar(key)) return SYNTAX.NON_STRING_KEY;
  if (name === '') return 'a key is missing before the colon';
  if (name === '<<') return 'merge keys (<<) are not supported; write the keys out';
  if (FORBIDDEN_KEYS.has(name)) return 'is not allowed as a key';
  return isTaken ? 'is given twice' : undefined;
}

function offsetOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}
