import {
  Composer,
  CST,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type ParsedNode,
  Parser,
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
/** Levels of the parser's stack; a level of nesting takes two or three. Deep recursion in the composer kills the process. */
const MAX_STACK = 160;
/** Pieces of syntax: about 5,000 jobs, half a second. */
const MAX_LEXEMES = 250_000;
/** Values after aliases are followed. */
const MAX_NODES = 250_000;
/** Written in the text; and followed, as an alias may stand inside of what another one repeats. */
const MAX_ALIASES = 100;
const MAX_EXPANSIONS = 1000;
const MAX_PROBLEMS = 100;
const FORBIDDEN_KEYS = new Set(['__proto__', 'constructor', 'prototype']);
const CORE_TAGS = /^tag:yaml\.org,2002:(?:str|int|float|bool|null|map|seq)$/;

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

/** Feeds the composer, which recurses and keeps every error, only what it can digest. */
function* boundedTokens(text: string, lines: LineCounter) {
  const parser = new Parser(lines.addNewLine);
  let lexemeCount = 0;
  let aliasCount = 0;
  let previous = '';
  for (const lexeme of new Lexer().lex(text)) {
    lexemeCount += 1;
    if (lexeme.startsWith('*') && previous !== CST.SCALAR) aliasCount += 1;
    previous = lexeme;
    if (aliasCount > MAX_ALIASES)
      throw new TooMuchError(`more than ${MAX_ALIASES} aliases are not read`, parser.offset);
    if (lexemeCount > MAX_LEXEMES)
      throw new TooMuchError('the file holds too much from here on; split it', parser.offset);
    yield* parser.next(lexeme);
    if (parser.stack.length > MAX_STACK) throw new TooMuchError('is nested too deeply', parser.offset);
  }
  yield* parser.end();
}

/** The first document (there is one even in an empty text), and the second if there is one. */
function compose(text: string, lines: LineCounter): readonly Document.Parsed<ParsedNode>[] {
  // Unique keys are checked while collecting: the composer's own check takes quadratic time.
  const composer = new Composer({
    version: '1.2',
    schema: 'core',
    merge: false,
    uniqueKeys: false,
    stringKeys: true,
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
  if (text.length > MAX_YAML_BYTES) {
    return { problems: [{ position: { line: 1, column: 1 }, message: 'the file is larger than 5 MB' }] };
  }
  try {
    const [document, second] = compose(text, lines);
    if (document === undefined) return { problems: [] };
    const problems = syntaxProblems(document, second, position);
    return problems.length > 0 ? { problems } : collect(document, position);
  } catch (error) {
    if (error instanceof TooMuchError)
      return { problems: [{ position: position(error.offset), message: error.message }] };
    return { problems: [{ position: { line: 1, column: 1 }, message: 'is not valid YAML' }] };
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

/** What the walk through one document has gathered. */
interface Walk {
  readonly problems: { readonly offset: number; readonly keyPath: KeyPath; readonly message: string }[];
  readonly keyOffsets: Map<string, number>;
  readonly valueOffsets: Map<string, number>;
  /** The collections the walk is inside of: an alias to one of them would never end. */
  readonly open: Set<unknown>;
  /** Anchors so far: an alias means the last one of its name before it. */
  readonly anchors: Map<string, unknown>;
  nodeCount: number;
  expansionCount: number;
  isInAlias: boolean;
}

interface Place {
  readonly keyPath: KeyPath;
  readonly offset: number;
}

function collect(document: Document.Parsed<ParsedNode>, position: (offset: number) => Position): YamlReading {
  const walk: Walk = {
    problems: [],
    keyOffsets: new Map(),
    valueOffsets: new Map(),
    open: new Set(),
    anchors: new Map(),
    nodeCount: 0,
    expansionCount: 0,
    isInAlias: false,
  };
  const contents: unknown = document.contents;
  const value = contents === null ? undefined : collectNode(walk, contents, { keyPath: [], offset: 0 });
  const look = (offsets: Map<string, number>) => (keyPath: KeyPath) => {
    const offset = offsets.get(JSON.stringify(keyPath));
    return offset === undefined ? undefined : position(offset);
  };
  return {
    document: { value: value ?? undefined, keyAt: look(walk.keyOffsets), valueAt: look(walk.valueOffsets) },
    problems: walk.problems
      .slice(0, MAX_PROBLEMS)
      .map(({ offset, ...rest }) => ({ position: position(offset), ...rest })),
  };
}

function collectNode(walk: Walk, node: unknown, place: Place): unknown {
  const at = { keyPath: place.keyPath, offset: offsetOf(node) ?? place.offset };
  remember(walk, walk.valueOffsets, at);
  walk.nodeCount += 1;
  if (walk.nodeCount > MAX_NODES) throw new TooMuchError('aliases make the file too large', at.offset);
  if (isAlias(node)) return collectAlias(walk, node.source, at);
  if ((isScalar(node) || isMap(node) || isSeq(node)) && node.anchor !== undefined && !walk.isInAlias) {
    walk.anchors.set(node.anchor, node);
  }
  if (isScalar(node)) {
    checkTag(walk, node.tag, at);
    return node.value;
  }
  if (!isMap(node) && !isSeq(node)) return null;
  checkTag(walk, node.tag, at);
  if (walk.open.has(node)) {
    walk.problems.push({ ...at, message: 'is an alias of something that it is part of' });
    return null;
  }
  walk.open.add(node);
  const value = isMap(node) ? collectMap(walk, node.items, at) : collectList(walk, node.items, at);
  walk.open.delete(node);
  return value;
}

/** What an alias repeats stands somewhere else; places inside of it would cost time and mislead. */
function remember(walk: Walk, offsets: Map<string, number>, { keyPath, offset }: Place): void {
  if (!walk.isInAlias) offsets.set(JSON.stringify(keyPath), offset);
}

function collectAlias(walk: Walk, name: string, at: Place): unknown {
  const target = walk.anchors.get(name);
  if (target === undefined) {
    walk.problems.push({ ...at, message: describeSyntaxError('BAD_ALIAS') });
    return null;
  }
  walk.expansionCount += 1;
  if (walk.expansionCount > MAX_EXPANSIONS)
    throw new TooMuchError('aliases make the file too large', at.offset);
  const { isInAlias } = walk;
  walk.isInAlias = true;
  const value = collectNode(walk, target, at);
  walk.isInAlias = isInAlias;
  return value;
}

function collectList(walk: Walk, items: readonly unknown[], { keyPath, offset }: Place): unknown[] {
  return items.map((item, index) => {
    const itemPath = [...keyPath, index];
    remember(walk, walk.keyOffsets, { keyPath: itemPath, offset: offsetOf(item) ?? offset });
    return collectNode(walk, item, { keyPath: itemPath, offset });
  });
}

function collectMap(
  walk: Walk,
  items: readonly { readonly key: unknown; readonly value: unknown }[],
  { keyPath, offset }: Place,
): Record<string, unknown> {
  const entries = new Map<string, unknown>();
  for (const { key, value } of items) {
    const keyOffset = offsetOf(key) ?? offset;
    const name = isScalar(key) ? String(key.value ?? '') : '';
    const at = { keyPath: [...keyPath, name], offset: keyOffset };
    const message = keyProblem(key, name, entries);
    if (message !== undefined) walk.problems.push({ ...at, message });
    else {
      remember(walk, walk.keyOffsets, at);
      entries.set(name, collectNode(walk, value, at));
    }
  }
  return Object.fromEntries(entries);
}

function keyProblem(key: unknown, name: string, known: ReadonlyMap<string, unknown>): string | undefined {
  if (!isScalar(key)) return describeSyntaxError('NON_STRING_KEY');
  if (name === '') return 'a key is missing before the colon';
  if (name === '<<') return 'merge keys (<<) are not supported; write the keys out';
  if (FORBIDDEN_KEYS.has(name)) return 'is not allowed as a key';
  return known.has(name) ? 'is given twice' : undefined;
}

function checkTag(walk: Walk, tag: string | undefined, at: Place): void {
  if (tag === undefined || CORE_TAGS.test(tag)) return;
  walk.problems.push({ ...at, message: describeSyntaxError('TAG_RESOLVE_FAILED') });
}

function offsetOf(node: unknown): number | undefined {
  return (isScalar(node) || isMap(node) || isSeq(node) || isAlias(node)) && node.range
    ? node.range[0]
    : undefined;
}
