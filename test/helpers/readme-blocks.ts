import { FIELD_FLAGS, flagsOfSetting } from '../../src/cli/flags.ts';
import { OTHER_VARIABLES, SETTING_ROWS } from '../../src/config/keys.ts';
import { EXIT_CODES, SIGNAL_EXITS } from '../../src/errors.ts';
import { STATE_MEANINGS, stateWord } from '../../src/report/states.ts';
import { FIELDS, type FieldRow } from '../../src/request/fields.ts';
import {
  ASPECT_RATIOS,
  MEDIA_COUNTS,
  MEDIA_KINDS,
  MEDIA_LIMITS,
  type MediaLimits,
  MODELS,
  OPERATIONS,
  outputPixels,
  PRICES,
  QUALITIES,
} from '../../src/request/models.ts';
import { FAULT_TABLE, type FaultRow, SHARED_FAULT_OPTIONS } from '../../src/sandbox/fault-table.ts';

// biome-ignore format: one row a variable
/** What other programs read as well. Ours go by the same rules. */
const CONVENTIONS: Readonly<Record<string, string>> = {
  HTTPS_PROXY: 'proxy for https; the lower-case name wins',
  HTTP_PROXY: 'proxy for http; the lower-case name wins',
  NO_PROXY: 'hosts to reach without the proxy; the lower-case name wins',
  NODE_EXTRA_CA_CERTS: "additional certificate authorities, a PEM file (Node's own)",
  NODE_TLS_REJECT_UNAUTHORIZED: "0: certificates are not checked (Node's own); `evolink doctor` warns",
  NODE_DISABLE_COMPILE_CACHE: "1: don't cache compiled code between runs (Node's own, from Node 22)",
  NO_COLOR: 'not empty: no colors; --no-color is stronger',
  FORCE_COLOR: '1, 2, 3: colors, even without a terminal; 0: none',
  CLICOLOR_FORCE: 'not 0: colors, even without a terminal',
  COLORTERM: 'truecolor: the terminal supports 24-bit color',
  TERM: 'dumb: no colors, no bars',
  TERM_PROGRAM: 'with the next ones: what the terminal shows besides text (links, progress)',
  WT_SESSION: 'Windows Terminal: colors, more than ASCII, links, progress',
  VTE_VERSION: 'GNOME Terminal and others: links',
  TMUX: 'set inside tmux: no links, no progress in the taskbar',
  STY: 'the same within screen',
  SSH_CONNECTION: 'set: no system notification',
  DISPLAY: 'with WAYLAND_DISPLAY: Linux can show a notification',
  WAYLAND_DISPLAY: 'see DISPLAY',
  LC_ALL: 'with LC_CTYPE and LANG: whether the terminal can show more than ASCII',
  LC_CTYPE: 'see LC_ALL',
  LANG: 'see LC_ALL',
  SHELL: 'the shell that `evolink completion --install` sets up',
  ZDOTDIR: 'where .zshrc is',
  CI: 'not empty, 0 or false: no bars and spinners',
  GITHUB_ACTIONS: 'true: a run leaves annotations, a summary and outputs for GitHub',
  GITHUB_STEP_SUMMARY: 'file of the job summary',
  GITHUB_OUTPUT: 'file of the outputs of the step',
  GITHUB_WORKSPACE: 'paths in annotations are relative to it',
  XDG_CONFIG_HOME: 'where the user config is: evolink/config.yaml in it',
  XDG_STATE_HOME: 'where the records of paid tasks are: evolink in it',
  XDG_CACHE_HOME: 'where Node 22 and newer keep the compiled program: evolink in it',
  APPDATA: 'Windows: where the user config is',
  LOCALAPPDATA: 'Windows: where the records of paid tasks are',
};

type Cell = string | number | undefined;

const code = (text: Cell): string => (text === undefined || text === '' ? '' : `\`${text}\``);

function table(headers: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const line = (cells: readonly Cell[]) =>
    `| ${cells.map((cell) => String(cell ?? '').replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(headers), `|${' --- |'.repeat(headers.length)}`, ...rows.map(line)].join('\n');
}

function exitCodes(): string {
  const rows = Object.entries(EXIT_CODES).map(([name, row]) => [
    ...[row.exit, code(name), row.meaning, row.charged, row.again],
  ]);
  const ended = ['ended by this signal; the task goes on', 'see JSON', 'yes, continues'];
  const signals = Object.entries(SIGNAL_EXITS).map(([name, exit]) => [exit, code(name), ...ended]);
  return table(['code', 'name', 'meaning', 'charged', 'run again'], [...rows, ...signals]);
}

function config(): string {
  const rows = SETTING_ROWS.map((row) => {
    const { key, builtIn, env, description } = row;
    const isEmpty = builtIn === undefined || (Array.isArray(builtIn) && builtIn.length === 0);
    const flags = flagsOfSetting(key).map(code).join(' ');
    return [code(key), isEmpty ? '' : code(String(builtIn)), flags, code(env), description];
  });
  return table(['key', 'built in', 'flag', 'variable', 'what it is'], rows);
}

/** Every environment variable that is read, in order of what a person needs first. */
function environment(): string {
  const ofOthers = OTHER_VARIABLES.map(({ name, description }) => [code(name), description]);
  const settings = SETTING_ROWS.flatMap(({ env, key, description }) => {
    const does = key === 'state_dir' ? description : `the setting ${key}`;
    return env === undefined || key === 'api_key' ? [] : [[code(env), does]];
  });
  const key = [code('EVOLINK_API_KEY'), 'the API key'];
  const conventions = Object.entries(CONVENTIONS).map(([name, does]) => [code(name), does]);
  const rows = [key, ...ofOthers.slice(0, 3), ...settings, ...ofOthers.slice(3), ...conventions];
  return table(['variable', 'what it does'], rows);
}

function bodyKeys(): string {
  const places = { api: 'API body', job: 'job file', both: 'both' } as const;
  const allowed = ({ values, min, max }: FieldRow): string => {
    if (values !== undefined) return values.map(code).join(' ');
    if (min !== undefined && max !== undefined) return `${min} to ${max}`;
    return max === undefined ? '' : `at most ${max}`;
  };
  const rows = FIELDS.map((row: FieldRow) => {
    const usual = code(row.default === undefined ? undefined : String(row.default));
    return [code(row.key), places[row.of], row.type, usual, allowed(row), row.description];
  });
  return table(['key', 'in', 'type', 'default', 'allowed', 'what it is'], rows);
}

function models(): string {
  const rows = MODELS.map(({ id, operation, tier, limits, extras }) => {
    const hasSearch = extras.includes('web_search') ? 'yes' : '';
    return [code(id), code(operation), tier, limits.quality.join(' '), hasSearch];
  });
  return table(['model', 'command', 'tier', 'qualities', 'web search'], rows);
}

function prices(): string {
  const rows = PRICES.map((row) => [row.tier, row.quality, row.without_video, row.with_video]);
  return table(['tier', 'quality', 'credits a second', 'with a reference video'], rows);
}

function pixels(): string {
  const ratios = ASPECT_RATIOS.filter((ratio) => ratio !== 'adaptive');
  const rows = ratios.map((ratio) => {
    const sizes = QUALITIES.map((quality) => outputPixels(quality, ratio));
    return [ratio, ...sizes.map((size) => size && `${size.widthPx}×${size.heightPx}`)];
  });
  return table(['ratio', ...QUALITIES], rows);
}

function media(): string {
  type Kind = (typeof MEDIA_KINDS)[number];
  const range = (value: { min: number; max: number } | undefined) => value && `${value.min} to ${value.max}`;
  const counts = (kind: Kind): string =>
    OPERATIONS.filter((operation) => MEDIA_COUNTS[operation][kind].max > 0)
      .map((operation) => `${operation}: ${range(MEDIA_COUNTS[operation][kind])}`)
      .join('; ');
  const rows: Readonly<Record<string, (limits: MediaLimits, kind: Kind) => Cell>> = {
    'how many': (_, kind) => counts(kind),
    formats: ({ formats }) => formats.join(', '),
    'one file, at most': ({ maxFileBytes }) => `${maxFileBytes / 1024 / 1024} MB`,
    'width and height, px': ({ sidePx }) => range(sidePx),
    'width / height': ({ widthByHeight }) => range(widthByHeight),
    'width × height': ({ areaPx }) => range(areaPx),
    'frames a second': ({ framesPerSecond }) => range(framesPerSecond),
    'one clip, s': ({ clipSeconds }) => range(clipSeconds),
    'all clips together, s, at most': ({ maxTotalSeconds }) => maxTotalSeconds,
  };
  const cellsOf = (of: (limits: MediaLimits, kind: Kind) => Cell) =>
    MEDIA_KINDS.map((kind) => of(MEDIA_LIMITS[kind], kind));
  const lines = Object.entries(rows).map(([name, of]) => [name, ...cellsOf(of)]);
  return table(['', ...MEDIA_KINDS], lines);
}

/** How a fault is written, such as `link:cut@N`; `429` stands for any status. */
function faultName({ kind, amount, isAmountRequired, requiredOption }: FaultRow): string {
  const name = kind === 'status' ? '300 … 599' : kind;
  const count = amount === undefined ? '' : isAmountRequired === true ? '@N' : '[@N]';
  return code(`${name}${count}${requiredOption === undefined ? '' : `(${requiredOption})`}`);
}

/** A table for each set of places where faults strike, then their options, each text once. */
function faults(): string {
  const byPoints = new Map<string, Cell[][]>();
  const byOption = new Map<string, string[]>();
  const add = <T>(map: Map<string, T[]>, key: string, value: T) =>
    map.set(key, [...(map.get(key) ?? []), value]);
  for (const row of FAULT_TABLE) {
    const does = row.amount === undefined ? row.does : `${row.does} (N: ${row.amount})`;
    add(byPoints, row.points.map(code).join(', '), [faultName(row), does, code(row.example)]);
    for (const [name, text] of Object.entries(row.options ?? {}))
      add(byOption, `${code(name)}\n${text}`, faultName(row));
  }
  for (const [name, text] of Object.entries(SHARED_FAULT_OPTIONS))
    add(byOption, `${code(name)}\n${text}`, 'all');
  const tables = [...byPoints].map(
    ([points, rows]) => `At ${points}:\n\n${table(['fault', 'what happens', 'example'], rows)}`,
  );
  const options = [...byOption].map(([key, names]) => {
    const [name, does] = key.split('\n');
    return [name, names.join(', '), does];
  });
  return [...tables, `Options:\n\n${table(['option', 'of', 'what it does'], options)}`].join('\n\n');
}

function states(): string {
  const rows = Object.entries(STATE_MEANINGS).map(([word, does]) => [stateWord(word), code(word), does]);
  return table(['word', 'in JSON', 'what it means'], rows);
}

/** The blocks of the pages that are made from tables of the source, by the name in their marker. */
export const TABLE_BLOCKS: Readonly<Record<string, () => string>> = {
  'exit-codes': exitCodes,
  config,
  environment,
  'body-keys': bodyKeys,
  models,
  prices,
  pixels,
  media,
  faults,
  states,
  'skill-exits': exitCodes,
  'skill-flags': () =>
    Object.values(FIELD_FLAGS)
      .map(({ spelling, help }) => `- \`${spelling}\`: ${help}`)
      .join('\n'),
};

const BLOCK = /<!-- generated: (.+?) -->\n([\s\S]*?)<!-- end -->/g;

/** The generated blocks of a document: name and content. */
export function readBlocks(text: string): { readonly name: string; readonly content: string }[] {
  return [...text.matchAll(BLOCK)].map(([, name = '', content = '']) => ({ name, content }));
}

/** The document with new contents in its blocks. */
export function replaceBlocks(text: string, contents: ReadonlyMap<string, string>): string {
  return text.replace(
    BLOCK,
    (whole, name: string) => `<!-- generated: ${name} -->\n${contents.get(name) ?? whole}<!-- end -->`,
  );
}
