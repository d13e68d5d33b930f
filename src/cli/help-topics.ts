import type { Command } from 'commander';
import { EXIT_CODES, SIGNAL_EXITS } from '../errors.ts';
import { ENVIRONMENT } from './environment.ts';
import type { ProgramOutput } from './program.ts';

/** The exit-code contract as lines for a terminal. */
export function exitCodesTopic(): string {
  const rows = Object.entries(EXIT_CODES).map(
    ([name, { exit, meaning, charged, again }]) =>
      `${String(exit).padStart(4)}  ${name.padEnd(12)} ${meaning}\n${' '.repeat(19)}charged: ${charged}; run again: ${again}`,
  );
  const signals = Object.entries(SIGNAL_EXITS).map(([name, exit]) => `${String(exit).padStart(4)}  ${name}`);
  return [
    'Exit codes. New ones may be added; the meaning of these never changes.',
    '',
    ...rows,
    '',
    'Ended by a signal (the task goes on, `evolink resume` continues):',
    ...signals,
  ].join('\n');
}

function environmentTopic(): string {
  const rows = ENVIRONMENT.map(({ name, description }) => `  ${name.padEnd(24)} ${description}`);
  return [
    'Settings are taken from, strongest first: flags, environment, .evolinkrc of the project (from the working directory',
    'upward), user config, built-in values. `evolink config` shows each with its source.',
    '',
    ...rows,
  ].join('\n');
}

const JOB_FILES = `Job files (-f job.yaml) hold one request in YAML or JSON, with the API's own names:

  prompt: "The art style of image 1, audio 1 as background music"
  type: ref                    # t2v, i2v or ref; may be left out where the command or model says it
  tier: fast                   # or model: an id
  images: [https://example.com/style.png]
  audios: [https://example.com/music.mp3]
  duration: 8
  quality: 720p
  aspect_ratio: "9:16"
  output: clips/{slug}.mp4

The API's JSON bodies (model, prompt, image_urls, model_params, …) work as they stand, and so do the sidecars that
--sidecar writes: evolink t2v -f clip.mp4.json makes the same request again. Flags win over the file. In a file with
several jobs (version: 1, jobs: …) --job NAME picks one.`;

const OUTPUT = `stdout is the result only: one saved path a line, the task id with --no-wait, one JSON document with --json, NDJSON
with --events, or the video itself with -o -. Everything for people goes to stderr.

-o takes a file, a folder (ends in / or exists), or a template with these fields:
  {id} {slug} {date} {time} {operation} {model} {tier} {ratio} {quality} {duration}
Without -o the file is {slug}-{id}.mp4 in the working directory. An existing file is an error before anything is paid
for; --overwrite replaces it, --skip-existing leaves it and does nothing.`;

const TOPICS: readonly { readonly name: string; readonly summary: string; readonly text: () => string }[] = [
  {
    name: 'exit-codes',
    summary: 'what each exit code means, and whether it was charged',
    text: exitCodesTopic,
  },
  { name: 'environment', summary: 'environment variables, and what wins over what', text: environmentTopic },
  { name: 'job-files', summary: 'one request in a file', text: () => JOB_FILES },
  { name: 'output', summary: 'streams, names and templates', text: () => OUTPUT },
];

/** Makes `evolink help [command|topic]`. */
export function addHelpTopics(program: Command, output: ProgramOutput, end: (exit: number) => void): void {
  program.helpCommand(false);
  program
    .command('help')
    .summary(`help for a command, or a topic: ${TOPICS.map(({ name }) => name).join(', ')}`)
    .argument('[name]', 'command or topic')
    .action((name: string | undefined) => {
      const topic = TOPICS.find((known) => known.name === name);
      const command = name === undefined ? program : program.commands.find((known) => known.name() === name);
      if (topic !== undefined) output.writeOut(`${topic.text()}\n`);
      else if (command !== undefined) command.outputHelp();
      else program.error(`unknown command or topic '${name}'`);
      end(0);
    });
  const rows = TOPICS.map(({ name, summary }) => `  evolink help ${name.padEnd(13)} ${summary}`).join('\n');
  program.addHelpText('after', `\nTopics:\n${rows}`);
}
