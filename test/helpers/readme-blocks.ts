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

/** One environment variable that is read, by us or by Node for us. */
interface EnvironmentVariable {
  readonly name: string;
  readonly description: string;
}

const settings: readonly EnvironmentVariable[] = SETTING_ROWS.flatMap(({ env, key, description }) =>
  env === undefined || key === 'api_key'
    ? []
    : [{ name: env, description: key === 'state_dir' ? description : `the setting ${key}` }],
);

/** What other programs read as well. Ours go by the same rules. */
const CONVENTIONS: readonly EnvironmentVariable[] = [
  { name: 'HTTPS_PROXY', description: 'proxy for https; the lower-case name wins' },
  { name: 'HTTP_PROXY', description: 'proxy for http; the lower-case name wins' },
  { name: 'NO_PROXY', description: 'hosts to reach without the proxy; the lower-case name wins' },
  { name: 'NODE_EXTRA_CA_CERTS', description: "additional certificate authorities, a PEM file (Node's own)" },
  {
    name: 'NODE_TLS_REJECT_UNAUTHORIZED',
    description: "0: certificates are not checked (Node's own); `evolink doctor` warns",
  },
  {
    name: 'NODE_DISABLE_COMPILE_CACHE',
    description: "1: don't cache compiled code between runs (Node's own, from Node 22)",
  },
  { name: 'NO_COLOR', description: 'not empty: no colors; --no-color is stronger' },
  { name: 'FORCE_COLOR', description: '1, 2, 3: colors, even without a terminal; 0: none' },
  { name: 'CLICOLOR_FORCE', description: 'not 0: colors, even without a terminal' },
  { name: 'COLORTERM', description: 'truecolor: the terminal supports 24-bit color' },
  { name: 'TERM', description: 'dumb: no colors, no bars' },
  {
    name: 'TERM_PROGRAM',
    description: 'with the next ones: what the terminal shows besides text (links, progress)',
  },
  { name: 'WT_SESSION', description: 'Windows Terminal: colors, more than ASCII, links, progress' },
  { name: 'VTE_VERSION', description: 'GNOME Terminal and others: links' },
  { name: 'TMUX', description: 'set inside tmux: no links, no progress in the taskbar' },
  { name: 'STY', description: 'the same within screen' },
  { name: 'SSH_CONNECTION', description: 'set: no system notification' },
  { name: 'DISPLAY', description: 'with WAYLAND_DISPLAY: Linux can show a notification' },
  { name: 'WAYLAND_DISPLAY', description: 'see DISPLAY' },
  { name: 'LC_ALL', description: 'with LC_CTYPE and LANG: whether the terminal can show more than ASCII' },
  { name: 'LC_CTYPE', description: 'see LC_ALL' },
  { name: 'LANG', description: 'see LC_ALL' },
  { name: 'SHELL', description: 'the shell that `evolink completion --install` sets up' },
  { name: 'ZDOTDIR', description: 'where .zshrc is' },
  { name: 'CI', description: 'not empty, 0 or false: no bars and spinners' },
  { name: 'GITHUB_ACTIONS', description: 'true: a run leaves annotations, a summary and outputs for GitHub' },
  { name: 'GITHUB_STEP_SUMMARY', description: 'file of the job summary' },
  { name: 'GITHUB_OUTPUT', description: 'file of the outputs of the step' },
  { name: 'GITHUB_WORKSPACE', description: 'paths in annotations are relative to it' },
  { name: 'XDG_CONFIG_HOME', description: 'where the user config is: evolink/config.yaml in it' },
  { name: 'XDG_STATE_HOME', description: 'where the records of paid tasks are: evolink in it' },
  { name: 'XDG_CACHE_HOME', description: 'where Node 22 and newer keep the compiled program: evolink in it' },
  { name: 'APPDATA', description: 'Windows: where the user config is' },
  { name: 'LOCALAPPDATA', description: 'Windows: where the records of paid tasks are' },
];

/** Every environment variable that is read, in order of what a person needs first. */
const ENVIRONMENT: readonly EnvironmentVariable[] = [
  { name: 'EVOLINK_API_KEY', description: 'the API key' },
  ...OTHER_VARIABLES.slice(0, 3),
  ...settings,
  ...OTHER_VARIABLES.slice(3),
  ...CONVENTIONS,
];

/** How a fault is written, such as `link:cut@N`; `429` stands for any status. */
function faultName({ kind, amount, isAmountRequired, requiredOption }: FaultRow): string {
  const name = kind === 'status' ? '300 … 599' : kind;
  const count = amount === undefined ? '' : isAmountRequired === true ? '@N' : '[@N]';
  return `${name}${count}${requiredOption === undefined ? '' : `(${requiredOption})`}`;
}

type Cell = string | number | undefined;

const code = (text: Cell): string => (text === undefined || text === '' ? '' : `\`${text}\``);

function table(headers: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const line = (cells: readonly Cell[]) =>
    `| ${cells.map((cell) => String(cell ?? '').replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(headers), `|${' --- |'.repeat(headers.length)}`, ...rows.map(line)].join('\n');
}

function exitCodes(): string {
  const rows = Object.entries(EXIT_CODES).map(([name, row]) => [
    row.exit,
    code(name),
    row.meaning,
    row.charged,
    row.again,
  ]);
  const signals = Object.entries(SIGNAL_EXITS).map(([name, exit]) => [
    exit,
    code(name),
    'ended by this signal; the task goes on',
    'see JSON',
    'yes, continues',
  ]);
  return table(['code', 'name', 'meaning', 'charged', 'run again'], [...rows, ...signals]);
}

function config(): string {
  return table(
    ['key', 'built in', 'flag', 'variable', 'what it is'],
    SETTING_ROWS.map((row) => {
      const { key, builtIn, env, description } = row;
      const isEmpty = builtIn === undefined || (Array.isArray(builtIn) && builtIn.length === 0);
      const flags = flagsOfSetting(key).map(code);
      return [code(key), isEmpty ? '' : code(row.format(builtIn)), flags.join(' '), code(env), description];
    }),
  );
}

function environment(): string {
  return table(
    ['variable', 'what it does'],
    ENVIRONMENT.map(({ name, description }) => [code(name), description]),
  );
}

const ALLOWED = (row: FieldRow): string => {
  if (row.values !== undefined) return row.values.map(code).join(' ');
  if (row.min !== undefined && row.max !== undefined) return `${row.min} to ${row.max}`;
  return row.max === undefined ? '' : `at most ${row.max}`;
};

function bodyKeys(): string {
  const places = { api: 'API body', job: 'job file', both: 'both' } as const;
  return table(
    ['key', 'in', 'type', 'default', 'allowed', 'what it is'],
    FIELDS.map((row: FieldRow) => [
      code(row.key),
      places[row.of],
      row.type,
      code(row.default === undefined ? undefined : String(row.default)),
      ALLOWED(row),
      row.description,
    ]),
  );
}

function models(): string {
  return table(
    ['model', 'command', 'tier', 'qualities', 'web search'],
    MODELS.map((row) => [
      code(row.id),
      code(row.operation),
      row.tier,
      row.limits.quality.join(' '),
      row.extras.includes('web_search') ? 'yes' : '',
    ]),
  );
}

function prices(): string {
  return table(
    ['tier', 'quality', 'credits a second', 'with a reference video'],
    PRICES.map((row) => [row.tier, row.quality, row.without_video, row.with_video]),
  );
}

function pixels(): string {
  const ratios = ASPECT_RATIOS.filter((ratio) => ratio !== 'adaptive');
  return table(
    ['ratio', ...QUALITIES],
    ratios.map((ratio) => [
      ratio,
      ...QUALITIES.map((quality) => {
        const size = outputPixels(quality, ratio);
        return size === undefined ? '' : `${size.widthPx}×${size.heightPx}`;
      }),
    ]),
  );
}

function media(): string {
  const range = (value: { min: number; max: number } | undefined): string =>
    value === undefined ? '' : `${value.min} to ${value.max}`;
  const column = (kind: (typeof MEDIA_KINDS)[number]): Cell[] => {
    const limits: MediaLimits = MEDIA_LIMITS[kind];
    const counts = OPERATIONS.filter((operation) => MEDIA_COUNTS[operation][kind].max > 0).map(
      (operation) =>
        `${operation}: ${MEDIA_COUNTS[operation][kind].min} to ${MEDIA_COUNTS[operation][kind].max}`,
    );
    return [
      counts.join('; '),
      limits.formats.join(', '),
      `${limits.maxFileBytes / 1024 / 1024} MB`,
      range(limits.sidePx),
      range(limits.widthByHeight),
      range(limits.areaPx),
      range(limits.framesPerSecond),
      range(limits.clipSeconds),
      limits.maxTotalSeconds,
    ];
  };
  const columns = MEDIA_KINDS.map(column);
  const names = [
    'how many',
    'formats',
    'one file, at most',
    'width and height, px',
    'width / height',
    'width × height',
    'frames a second',
    'one clip, s',
    'all clips together, s, at most',
  ];
  return table(
    ['', ...MEDIA_KINDS],
    names.map((name, index) => [name, ...columns.map((cells) => cells[index])]),
  );
}

/** A table for each set of places where faults strike, then their options, each text once. */
function faults(): string {
  const byPoints = new Map<string, FaultRow[]>();
  const byOption = new Map<string, string[]>();
  for (const row of FAULT_TABLE) {
    const points = row.points.map(code).join(', ');
    byPoints.set(points, [...(byPoints.get(points) ?? []), row]);
    for (const [name, does] of Object.entries(row.options ?? {})) {
      const key = `${code(name)}\n${does}`;
      byOption.set(key, [...(byOption.get(key) ?? []), code(faultName(row))]);
    }
  }
  for (const [name, does] of Object.entries(SHARED_FAULT_OPTIONS))
    byOption.set(`${code(name)}\n${does}`, ['all']);
  const tables = [...byPoints].map(([points, rows]) => {
    const cells = rows.map((row) => [
      code(faultName(row)),
      row.amount === undefined ? row.does : `${row.does} (N: ${row.amount})`,
      code(row.example),
    ]);
    return `At ${points}:\n\n${table(['fault', 'what happens', 'example'], cells)}`;
  });
  const options = [...byOption].map(([key, names]) => {
    const [name, does] = key.split('\n');
    return [name, names.join(', '), does];
  });
  return [...tables, `Options:\n\n${table(['option', 'of', 'what it does'], options)}`].join('\n\n');
}

/** The blocks of the README that are made from tables of the source, by the name in their marker. */
function states(): string {
  const rows = Object.entries(STATE_MEANINGS).map(
    ([word, meaning]) => `| ${stateWord(word)} | \`${word}\` | ${meaning} |`,
  );
  return ['| word | in JSON | what it means |', '| --- | --- | --- |', ...rows].join('\n');
}

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
