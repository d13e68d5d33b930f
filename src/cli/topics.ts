import { SETTING_ROWS } from '../config/keys.ts';
import { OTHER_VARIABLES } from '../config/resolve.ts';
import {
  FAULT_FORMS,
  FAULT_POINTS,
  FAULT_SYNTAX,
  FAULT_TABLE,
  type FaultRow,
  SHARED_FAULT_OPTIONS,
} from '../sandbox/fault-table.ts';

/** One environment variable that is read, by us or by Node for us. */
export interface EnvironmentVariable {
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
  { name: 'NO_PROXY', description: 'hosts that are reached without the proxy; the lower-case name wins' },
  { name: 'NODE_EXTRA_CA_CERTS', description: "further certificate authorities, a PEM file (Node's own)" },
  {
    name: 'NODE_TLS_REJECT_UNAUTHORIZED',
    description: "0: certificates are not checked (Node's own); `evolink doctor` warns",
  },
  {
    name: 'NODE_DISABLE_COMPILE_CACHE',
    description: "1: keeps no compiled code between runs (Node's own, from Node 22)",
  },
  { name: 'NO_COLOR', description: 'not empty: no colours; --no-color is stronger' },
  { name: 'FORCE_COLOR', description: '1, 2, 3: colours, also where no terminal is; 0: none' },
  { name: 'CLICOLOR_FORCE', description: 'not 0: colours, also where no terminal is' },
  { name: 'COLORTERM', description: 'truecolor: the terminal shows all colours' },
  { name: 'TERM', description: 'dumb: no colours, no bars' },
  { name: 'TERM_PROGRAM', description: 'vscode: the terminal can show more than ASCII' },
  { name: 'WT_SESSION', description: 'Windows Terminal: it can show colours and more than ASCII' },
  { name: 'LC_ALL', description: 'with LC_CTYPE and LANG: whether the terminal can show more than ASCII' },
  { name: 'LC_CTYPE', description: 'see LC_ALL' },
  { name: 'LANG', description: 'see LC_ALL' },
  { name: 'CI', description: 'not empty, 0 or false: no bars and spinners' },
  { name: 'GITHUB_ACTIONS', description: 'true: a run leaves annotations, a summary and outputs for GitHub' },
  { name: 'GITHUB_STEP_SUMMARY', description: 'file of the job summary' },
  { name: 'GITHUB_OUTPUT', description: 'file of the outputs of the step' },
  { name: 'GITHUB_WORKSPACE', description: 'folder from which annotations count their paths' },
  { name: 'XDG_CONFIG_HOME', description: 'where the user config is: evolink/config.yaml in it' },
  { name: 'XDG_STATE_HOME', description: 'where the records of paid tasks are: evolink in it' },
  { name: 'XDG_CACHE_HOME', description: 'where Node 22 and newer keep the compiled program: evolink in it' },
  { name: 'APPDATA', description: 'Windows: where the user config is' },
  { name: 'LOCALAPPDATA', description: 'Windows: where the records of paid tasks are' },
];

/** Every environment variable that is read, in order of what a person needs first. */
export const ENVIRONMENT: readonly EnvironmentVariable[] = [
  { name: 'EVOLINK_API_KEY', description: 'the API key' },
  ...OTHER_VARIABLES.slice(0, 3),
  ...settings,
  ...OTHER_VARIABLES.slice(3),
  ...CONVENTIONS,
];

/** `evolink help environment`. */
export function environmentTopic(): string {
  const width = Math.max(...ENVIRONMENT.map(({ name }) => name.length));
  const rows = ENVIRONMENT.map(({ name, description }) => `  ${name.padEnd(width)}  ${description}`);
  return [
    'Settings are taken from, strongest first: flags, environment, .evolinkrc of the project (from the working directory',
    'upward), user config, built-in values. `evolink config` shows each with its source. An empty variable counts as not',
    'set; an empty EVOLINK_API_KEY is an error, as somebody meant to give one.',
    '',
    ...rows,
  ].join('\n');
}

/** `evolink help faults`: the language of `--faults`, and every fault. */
export function faultsTopic(): string {
  const shared = Object.entries(SHARED_FAULT_OPTIONS).map(([name, does]) => `      ${name}: ${does}`);
  return [
    'Faults of the sandbox: evolink sandbox --faults PLAN, or EVOLINK_SANDBOX_FAULTS=PLAN with --sandbox.',
    '',
    `  ${FAULT_SYNTAX}`,
    '',
    `points: ${FAULT_POINTS.join(', ')}`,
    '',
    'options that every fault takes:',
    ...shared,
    '',
    ...FAULT_TABLE.flatMap((row) => [...faultLines(row), '']),
    `forms of the body of a status: ${FAULT_FORMS.join(', ')}`,
  ].join('\n');
}

/** How a fault is written, such as `link:cut@N`; `429` stands for any status. */
export function faultName({ kind, amount, isAmountRequired, requiredOption }: FaultRow): string {
  const name = kind === 'status' ? '300 … 599' : kind;
  const count = amount === undefined ? '' : isAmountRequired === true ? '@N' : '[@N]';
  return `${name}${count}${requiredOption === undefined ? '' : `(${requiredOption})`}`;
}

function faultLines(row: FaultRow): string[] {
  const amount = row.amount === undefined ? [] : [`      N: ${row.amount}`];
  const options = Object.entries(row.options ?? {}).map(([name, does]) => {
    const isBare = name === row.bareOption;
    return `      ${name}${isBare ? ' (the name may be left out)' : ''}: ${does}`;
  });
  return [
    `  ${faultName(row)}  at ${row.points.join(', ')}`,
    `      ${row.does}`,
    ...amount,
    ...options,
    `      example: ${row.example}`,
  ];
}
