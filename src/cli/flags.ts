import { type Command, InvalidArgumentError, Option } from 'commander';
import { ASPECT_RATIOS, QUALITIES, TIERS } from '../request/models.ts';

/** Adds a value to those that a repeatable flag has gathered. */
export function collect(value: string, earlier: readonly string[] | undefined): readonly string[] {
  return [...(earlier ?? []), value];
}

/** Form of the output: on every command, before or after its name. No defaults here: the merge needs to know what was typed. */
export function addFormFlags(program: Command): void {
  program
    .option('--json', 'print one JSON document on stdout')
    .option('--events', 'print what happens as NDJSON on stdout')
    .option('--quiet', 'say nothing but errors')
    .option('--verbose', 'say more')
    .option('--debug', 'say everything, and where an error came from')
    .option('--no-color', 'no colours')
    .option('--no-progress', 'no bars and spinners')
    .option('--sandbox', 'use the built-in sandbox: no key, no network, no cost');
}

/** Prompt and source of a generating command. */
export function addPromptFlags(command: Command): void {
  command
    .optionsGroup('Prompt (exactly one):')
    .option('-p, --prompt <text>', 'the prompt, instead of the argument')
    .option('--prompt-file <file>', 'read the prompt from a file, or from standard input with -')
    .optionsGroup('Source:')
    .option('-f, --file <job>', 'a job file or an API body (YAML or JSON); flags win over it')
    .option('--job <name>', 'the job to take where the file has several');
}

/** Settings of the request. */
export function addRequestFlags(command: Command): void {
  command
    .optionsGroup('Request:')
    .option('--tier <tier>', `${TIERS.join('|')} (default standard)`)
    .option('--model <id>', 'a model id, instead of a tier')
    .option('-d, --duration <seconds>', 'whole seconds, 4 to 15 (default 5)')
    .option('-q, --quality <quality>', `${QUALITIES.join('|')} (default 720p)`)
    .option('-r, --aspect-ratio <ratio>', `${ASPECT_RATIOS.join('|')} (default 16:9)`)
    .option('--mute', 'no audio track')
    .option('--no-mute', 'with an audio track, whatever the config says')
    .option('--content-filter', 'with the content filter, whatever the config says')
    .option('--no-content-filter', 'relax the content filter (costs 1.1 times as much)')
    .option('--callback-url <url>', 'https address that the service calls when the task ends');
}

/** Where the clip goes. */
export function addOutputFlags(command: Command): void {
  command
    .optionsGroup('Output:')
    .option('-o, --output <path>', 'file, folder/, template ({slug}-{id}.mp4), or - for stdout')
    .addOption(new Option('--overwrite', 'replace an existing file').conflicts('skipExisting'))
    .option('--skip-existing', 'do nothing when the file exists')
    .option('--sidecar', 'write clip.mp4.json beside the clip: request, credits, times, SHA-256')
    .option('--no-sidecar', 'no sidecar, whatever the config says');
}

/** How far to go, and how much it may cost. */
export function addControlFlags(command: Command): void {
  command
    .optionsGroup('Control:')
    .option('--no-wait', 'submit, print the task id, and end')
    .option('--timeout <time>', 'how long to wait, such as 90s, 30m, 2h; 0 looks once (default 30m)')
    .option('--dry-run', 'print the exact request and the estimate; send nothing')
    .option('--max-credits <credits>', 'refuse before submitting when the estimate is above', parseCredits)
    .option('--new', 'buy another even if the same request is still open');
}

/** A limit in credits: a number of 0 or more. */
export function parseCredits(value: string): number {
  const credits = Number(value);
  if (value.trim() === '' || !Number.isFinite(credits) || credits < 0) {
    throw new InvalidArgumentError('It must be a number of credits, such as 100 or 67.5.');
  }
  return credits;
}
