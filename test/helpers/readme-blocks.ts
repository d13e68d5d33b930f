import { ENVIRONMENT, faultName } from '../../src/cli/topics.ts';
import { SETTING_ROWS } from '../../src/config/keys.ts';
import { EXIT_CODES, SIGNAL_EXITS } from '../../src/errors.ts';
import { BODY_KEYS, type BodyKey } from '../../src/request/body.ts';
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
import { FAULT_TABLE, SHARED_FAULT_OPTIONS } from '../../src/sandbox/fault-table.ts';

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
    SETTING_ROWS.map(({ key, builtIn, kind, flag, flagOff, env, description }) => {
      const isEmpty = builtIn === undefined || (Array.isArray(builtIn) && builtIn.length === 0);
      const flags = [flag, flagOff].filter((each) => each !== undefined).map(code);
      return [code(key), isEmpty ? '' : code(kind.format(builtIn)), flags.join(' '), code(env), description];
    }),
  );
}

function environment(): string {
  return table(
    ['variable', 'what it does'],
    ENVIRONMENT.map(({ name, description }) => [code(name), description]),
  );
}

const ALLOWED = (row: BodyKey): string => {
  if (row.values !== undefined) return row.values.map(code).join(' ');
  if (row.min !== undefined && row.max !== undefined) return `${row.min} to ${row.max}`;
  return row.max === undefined ? '' : `at most ${row.max}`;
};

function bodyKeys(): string {
  const places = { api: 'API body', job: 'job file', both: 'both' } as const;
  return table(
    ['key', 'in', 'type', 'default', 'allowed', 'what it is'],
    BODY_KEYS.map((row: BodyKey) => [
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
      row.qualities.join(' '),
      row.hasWebSearch ? 'yes' : '',
    ]),
  );
}

function prices(): string {
  return table(
    ['tier', 'quality', 'credits a second', 'with a reference video'],
    PRICES.map((row) => [row.tier, row.quality, row.withoutVideo, row.withVideo]),
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

function faults(): string {
  const rows = FAULT_TABLE.map((row) => [
    code(faultName(row)),
    row.points.join(' '),
    row.does,
    [
      ...(row.amount === undefined ? [] : [`N: ${row.amount}`]),
      ...Object.entries(row.options ?? {}).map(([name, does]) => `${code(name)}: ${does}`),
    ].join('; '),
    code(row.example),
  ]);
  const shared = Object.entries(SHARED_FAULT_OPTIONS).map(([name, does]) => `${code(name)}: ${does}`);
  return `${table(['fault', 'at', 'what happens', 'N and options', 'example'], rows)}\n\nEvery fault takes ${shared.join('; ')}.`;
}

/** The blocks of the README that are made from tables of the source, by the name in their marker. */
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
