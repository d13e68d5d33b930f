import type { Command, Option } from 'commander';
import { ASPECT_RATIOS, QUALITIES, TIERS } from '../../request/models.ts';

export interface CompletedFlag {
  /** `-d` and `--duration`. */
  readonly names: readonly string[];
  readonly description: string;
  readonly takesValue: boolean;
  /** The values there are, where that is a short list. */
  readonly values: readonly string[];
  /** Its value is a file or a folder. */
  readonly isPath: boolean;
}

export interface CompletedCommand {
  readonly name: string;
  readonly summary: string;
  readonly flags: readonly CompletedFlag[];
  /** Names of subcommands, or the values of a first argument. */
  readonly words: readonly string[];
}

export interface CommandTree {
  readonly globalFlags: readonly CompletedFlag[];
  readonly commands: readonly CompletedCommand[];
}

const VALUES: Readonly<Record<string, readonly string[]>> = {
  tier: TIERS,
  quality: QUALITIES,
  aspectRatio: ASPECT_RATIOS,
};
const PATH_NAMES = /file|path|job|dir|folder/;
/** Media may be files as well as URLs. */
const MEDIA = new Set(['image', 'video', 'audio', 'first', 'last']);

/** What there is to complete, as plain data. */
export function readCommandTree(program: Command): CommandTree {
  const commands = program.commands.map((command) => ({
    name: command.name(),
    summary: command.summary() || command.description(),
    flags: flagsOf(command),
    words: wordsOf(command, program),
  }));
  return { globalFlags: flagsOf(program), commands };
}

function flagsOf(command: Command): CompletedFlag[] {
  const help = command.createHelp();
  return help.visibleOptions(command).map(toFlag);
}

function toFlag(option: Option): CompletedFlag {
  const name = option.attributeName();
  const takesValue = option.required || option.optional;
  const valueName = /[<[]([^>\]]+)/.exec(option.flags)?.[1] ?? '';
  return {
    names: [option.short, option.long].filter((each) => each !== undefined),
    description: option.description,
    takesValue,
    values: option.argChoices ?? (takesValue ? (VALUES[name] ?? []) : []),
    isPath: takesValue && (PATH_NAMES.test(valueName) || MEDIA.has(name)) && name !== 'job',
  };
}

function wordsOf(command: Command, program: Command): readonly string[] {
  if (command.commands.length > 0) return command.commands.map((child) => child.name());
  const [first] = command.registeredArguments;
  if (command.name() === 'help') return program.commands.map((each) => each.name());
  return first?.argChoices ?? [];
}
