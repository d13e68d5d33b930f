import {
  Composer,
  CST,
  type Document,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Pair,
  type ParsedNode,
  Parser,
  visit,
  type YAMLMap,
} from 'yaml';
import type { KeyPath } from '../request/body.ts';

/** 1-based, as editors count; columns in UTF-16 units. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

export interface YamlProblem {
  readonly position: Position;
  /** The key it is about; absent for trouble with the text as such. */
  readonly keyPath?: KeyPath | undefined;
  readonly message: string;
}

/**
 * What a syntax error means. The parser's own words are not used: they quote the text, which may hold a key.
 * The names are those of the `yaml` package.
 */
const SYNTAX: Readonly<Record<string, string>> = {
  ALIAS_PROPS: 'an alias (*name) cannot have an anchor or a tag',
  BAD_ALIAS: 'is not the name of an anchor; put the text in quotes',
  BAD_COLLECTION_TYPE: 'has a tag that does not fit it; leave the tag out',
  BAD_DIRECTIVE: 'is a directive that is not supported; remove the line that starts with %',
  BAD_DQ_ESCAPE: 'is no escape sequence; write \\\\ for a backslash, or use single quotes',
  BAD_INDENT: 'the indentation does not fit the lines above, or a closing ] or } is missing',
  BAD_PROP_ORDER: 'an anchor or tag stands in the wrong place',
  BAD_SCALAR_START: 'text cannot start with this character; put it in quotes',
  BLOCK_AS_IMPLICIT_KEY: 'is not allowed here; is there a second ": " on the line? put the text in quotes',
  BLOCK_IN_FLOW: 'is not allowed inside [ ] or { }',
  KEY_OVER_1024_CHARS: 'the key is too long',
  MISSING_CHAR: 'a closing quote, bracket, comma, space or colon is missing',
  MULTILINE_IMPLICIT_KEY: 'a key must stand on one line; is a ":" or a quote missing?',
  MULTIPLE_ANCHORS: 'has more than one anchor',
  MULTIPLE_DOCS: 'the file holds more than one document; remove the --- line',
  MULTIPLE_TAGS: 'has more than one tag',
  NON_STRING_KEY: 'a key must be plain text',
  TAB_AS_INDENT: 'a tab is not allowed as indentation; use spaces',
  TAG_RESOLVE_FAILED: 'has a tag that is not supported; leave the tag out',
  UNEXPECTED_TOKEN: 'is not expected here',
};

/** The plain words for a code of the `yaml` package. */
function describeSyntaxError(code: string): string {
  return SYNTAX[code] ?? 'is not valid YAML';
}

/** Larger texts are refused unread. */
export const MAX_YAML_BYTES = 5_000_000;
/** Levels of the parser's stack; a level of nesting takes two or three. */
const MAX_STACK = 160;
/** Pieces of syntax: 10,000 jobs of five keys, about two seconds. */
const MAX_LEXEMES = 500_000;
/** In the text; and for one anchor its uses times the aliases inside of what it repeats. */
const MAX_ALIASES = 100;
const MAX_PROBLEMS = 100;
const FORBIDDEN_KEYS = new Set(['__proto__', 'constructor', 'prototype']);

export interface YamlDocument {
  /** Plain objects, lists and scalars; `undefined` for a text without content. */
  readonly value: unknown;
  /** Where a key (or a list's item) stands; undefined for one that is not there, and inside of an alias. */
  readonly keyAt: (keyPath: KeyPath) => Position | undefined;
  /** Where its value starts. */
  readonly valueAt: (keyPath: KeyPath) => Position | undefined;
}

export interface YamlReading {
  /** Absent where the text is no YAML; present beside other problems, so that one more check can report the rest. */
  readonly document?: YamlDocument | undefined;
  readonly problems: readonly YamlProblem[];
}

class TooMuchError extends Error {
  readonly offset: number;

  constructor(message: string, offset: number) {
    super(message);
    this.offset = offset;
  }
}

/**
 * What `parseDocument` gives its composer, but bounded: the composer recurses until the stack is full, which the regular
 * expressions in it do not survive (the process dies), and it keeps every error.
 */
function* boundedTokens(text: string, lines: LineCounter) {
  const parser = new Parser(lines.addNewLine);
  let lexemeCount = 0;
  let emptyCount = 0;
  let aliasCount = 0;
  let previous = '';
  for (const lexeme of new Lexer().lex(text)) {
    lexemeCount += 1;
    if (lexeme === ',' && previous === ',') emptyCount += 1;
    if (lexeme.startsWith('*') && previous !== CST.SCALAR) aliasCount += 1;
    previous = lexeme;
    if (aliasCount > MAX_ALIASES)
      throw new TooMuchError(`more than ${MAX_ALIASES} aliases are not read`, parser.offset);
    if (lexemeCount > MAX_LEXEMES || emptyCount > MAX_PROBLEMS)
      throw new TooMuchError('the file holds too much from here on; split it', parser.offset);
    yield* parser.next(lexeme);
    if (parser.stack.length > MAX_STACK) throw new TooMuchError('is nested too deeply', parser.offset);
  }
  yield* parser.end();
}

/** The first document (there is one even in an empty text), and the second if there is one. */
function compose(text: string, lines: LineCounter): readonly Document.Parsed<ParsedNode>[] {
  const composer = new Composer({
    version: '1.2',
    schema: 'core',
    merge: false,
    // The composer's own check takes quadratic time.
    uniqueKeys: false,
    stringKeys: true,
    resolveKnownTags: false,
  });
  const documents: Document.Parsed<ParsedNode>[] = [];
  for (const document of composer.compose(boundedTokens(text, lines), true, text.length)) {
    documents.push(document);
    if (documents.length > 1) break;
  }
  return documents;
}

/**
 * Reads YAML 1.2 (and with it JSON) strictly: at most 5 MB, limited nesting and aliases, unique keys that are text; no
 * merge keys, tags of other types, directives, several documents, or keys that reach into an object's prototype. All
 * problems at once, each with its place and without quoting the text. Never throws.
 */
export function readYaml(text: string): YamlReading {
  const lines = new LineCounter();
  lines.addNewLine(0);
  const position = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const refuse = (message: string, offset = 0): YamlReading => ({
    problems: [{ position: position(offset), message }],
  });
  if (text.length > MAX_YAML_BYTES) return refuse('the file is larger than 5 MB');
  try {
    const [document, second] = compose(text, lines);
    if (document === undefined) return { problems: [] };
    const syntax = syntaxProblems(document, second, position);
    if (syntax.length > 0) return { problems: syntax };
    const aliases = findBadAliases(document, position);
    if (aliases.length > 0) return { problems: aliases };
    const problems = takeOutBadKeys(document, position);
    const value: unknown = document.toJS({ maxAliasCount: MAX_ALIASES }) ?? undefined;
    return { document: { value, ...createPlaces(document, position) }, problems };
  } catch (error) {
    if (error instanceof TooMuchError) return refuse(error.message, error.offset);
    // Only `toJS` throws this: its limit on aliases.
    return refuse(error instanceof ReferenceError ? 'aliases make the file too large' : 'is not valid YAML');
  }
}

function syntaxProblems(
  document: Document.Parsed<ParsedNode>,
  second: Document.Parsed<ParsedNode> | undefined,
  position: (offset: number) => Position,
): YamlProblem[] {
  // One mistake often gives several errors at one place; the first says it best.
  const byOffset = new Map<number, string>();
  for (const { pos, code } of [...document.errors, ...document.warnings]) {
    if (byOffset.size < MAX_PROBLEMS && !byOffset.has(pos[0])) byOffset.set(pos[0], code);
  }
  const problems = [...byOffset].map(
    ([offset, code]): YamlProblem => ({ position: position(offset), message: describeSyntaxError(code) }),
  );
  // A %YAML 1.1 line would bring back merge keys, and `yes` as a boolean.
  if (document.directives.yaml.explicit === true && document.directives.yaml.version !== '1.2') {
    problems.push({
      position: { line: 1, column: 1 },
      message: 'only YAML 1.2 is read; remove the %YAML line',
    });
  }
  if (second !== undefined) {
    problems.push({ position: position(second.range[0]), message: describeSyntaxError('MULTIPLE_DOCS') });
  }
  return problems;
}

/** An alias without its anchor, or one to what it is part of, which would never end. */
function findBadAliases(document: Document, position: (offset: number) => Position): readonly YamlProblem[] {
  const problems: YamlProblem[] = [];
  const anchors = new Map<string, unknown>();
  visit(document, {
    Value(_key, node) {
      if (node.anchor !== undefined) anchors.set(node.anchor, node);
    },
    Alias(_key, alias, path) {
      const target = anchors.get(alias.source);
      if (target !== undefined && !path.some((node) => node === target)) return;
      const message =
        target === undefined
          ? describeSyntaxError('BAD_ALIAS')
          : 'is an alias of something that it is part of';
      problems.push({
        position: position(offsetOf(alias) ?? 0),
        keyPath: keyPathOf([...path, alias]),
        message,
      });
    },
  });
  return problems.slice(0, MAX_PROBLEMS);
}

/** Keys that are no text, that are given twice or that could reach into an object's prototype are left out. */
function takeOutBadKeys(document: Document, position: (offset: number) => Position): readonly YamlProblem[] {
  const problems: YamlProblem[] = [];
  visit(document, {
    Map(_key, map, path) {
      const known = new Set<string>();
      map.items = map.items.filter((pair) => {
        const name = nameOf(pair);
        const message = keyProblem(pair.key, name, known);
        known.add(name);
        if (message === undefined) return true;
        const offset = offsetOf(pair.key) ?? offsetOf(map) ?? 0;
        problems.push({ position: position(offset), keyPath: [...keyPathOf([...path, map]), name], message });
        return false;
      });
    },
  });
  return problems.slice(0, MAX_PROBLEMS);
}

function nameOf({ key }: Pair): string {
  return isScalar(key) ? String(key.value ?? '') : '';
}

function keyProblem(key: unknown, name: string, known: ReadonlySet<string>): string | undefined {
  if (!isScalar(key)) return describeSyntaxError('NON_STRING_KEY');
  if (name === '') return 'a key is missing before the colon';
  if (name === '<<') return 'merge keys (<<) are not supported; write the keys out';
  if (FORBIDDEN_KEYS.has(name)) return 'is not allowed as a key';
  return known.has(name) ? 'is given twice' : undefined;
}

/** @param path the nodes from the document down to the one that is meant */
function keyPathOf(path: readonly unknown[]): KeyPath {
  return path.flatMap((node, index): KeyPath => {
    if (isPair(node)) return [nameOf(node)];
    return isSeq(node) && index + 1 < path.length ? [node.items.indexOf(path[index + 1])] : [];
  });
}

function offsetOf(node: unknown): number | undefined {
  return isNode(node) ? node.range?.[0] : undefined;
}

/** What an alias repeats stands somewhere else: inside of it there are no places. */
function createPlaces(
  document: Document,
  position: (offset: number) => Position,
): Pick<YamlDocument, 'keyAt' | 'valueAt'> {
  const pairs = new WeakMap<YAMLMap, ReadonlyMap<string, Pair>>();
  const pairOf = (map: YAMLMap, name: string): Pair | undefined => {
    const known = pairs.get(map) ?? new Map(map.items.map((pair) => [nameOf(pair), pair]));
    pairs.set(map, known);
    return known.get(name);
  };
  const find = (keyPath: KeyPath): { readonly key: unknown; readonly value: unknown } | undefined => {
    const { contents } = document;
    let found: { readonly key: unknown; readonly value: unknown } = { key: contents, value: contents };
    for (const step of keyPath) {
      const { value } = found;
      if (isMap(value)) {
        const pair = pairOf(value, String(step));
        if (pair === undefined) return undefined;
        found = pair;
      } else if (isSeq(value) && typeof step === 'number' && step < value.items.length) {
        found = { key: value.items[step], value: value.items[step] };
      } else return undefined;
    }
    return found;
  };
  const at = (node: unknown) => {
    const offset = offsetOf(node);
    return offset === undefined ? undefined : position(offset);
  };
  return {
    keyAt: (keyPath) => (keyPath.length === 0 ? undefined : at(find(keyPath)?.key)),
    valueAt: (keyPath) => {
      const found = find(keyPath);
      return at(found?.value) ?? at(found?.key);
    },
  };
}
