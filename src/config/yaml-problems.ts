import type { KeyPath } from '../request/body-reader.ts';

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
export function describeSyntaxError(code: string): string {
  return SYNTAX[code] ?? 'is not valid YAML';
}
