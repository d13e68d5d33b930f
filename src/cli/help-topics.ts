import type { Command } from 'commander';
import { EXIT_CODES, SIGNAL_EXITS } from '../errors.ts';
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

const JOB_FILES = `A job file holds one request (-f job.yaml), or the jobs of evolink run, in YAML or JSON with the API's own names:

  prompt: "The art style of image 1, audio 1 as background music"
  type: ref                    # t2v, i2v or ref; may be left out where the command or model says it
  tier: fast                   # or model: an id
  image_urls: [https://example.com/style.png]
  audio_urls: [https://example.com/music.mp3]
  duration: 8
  quality: 720p
  aspect_ratio: "9:16"
  output: clips/{slug}.mp4

The API's JSON bodies (model, prompt, image_urls, model_params, …) work as they stand, and so do the sidecars that
--sidecar writes: evolink t2v -f clip.mp4.json makes the same request again. Flags win over the file.

A file with several jobs is for evolink run (evolink run jobs.yaml makes what is missing or has changed); with -f,
--job NAME picks one of them:

  version: 1
  defaults: { tier: mini, output: "out/{job}-{ratio}.mp4" }  # for jobs that do not say otherwise
  vars: { tone: warm light }                                 # for all jobs; a job may have vars of its own
  jobs:
    hero:
      type: t2v
      prompt: "A paper boat, {{tone}}"                   # {{name}} stands for a value
      matrix: { aspect_ratio: ["16:9", "9:16"] }         # a job for each combination
    product:
      type: t2v
      prompt: "{{name}} on a marble table"
      for_each: products.csv                             # a job for each row; .csv, .json, .yaml, or a list

With both, each row is made for each combination. Two jobs can't have one output: tell them apart with {job}, {index},
{ratio} or a {{variable}}. Paths count from the file. evolink run jobs.yaml --dry-run prints the plan and sends nothing,
evolink run --init writes a commented example, evolink schema prints the JSON Schema.`;

const OUTPUT = `stdout is the result only: one saved path a line, the task id with --no-wait, one JSON document with --json, NDJSON
with --events, or the video itself with -o -. Everything for people goes to stderr.
A video is never put on a terminal. Of a command with -o - that was stopped, resume and download save the clip to a
file, unless they are given -o - as well, with one task.

-o takes a file, a folder (ends in / or exists), or a template with these fields:
  {id} {slug} {date} {time} {operation} {model} {tier} {ratio} {quality} {duration}
Without -o the file is {slug}-{id}.mp4 in the working directory. An existing file is an error before anything is paid
for; --overwrite replaces it, --skip-existing leaves it and does nothing. The clip of the very same command, saved
before, is no error: it is the answer, and nothing is sent.`;

interface Topic {
  readonly name: string;
  readonly summary: string;
  /** What a topic reads is loaded when it is asked for, so that help as such stays quick. */
  readonly load: () => Promise<string> | string;
}

const TOPICS: readonly Topic[] = [
  {
    name: 'exit-codes',
    summary: 'what each exit code means, and whether it was charged',
    load: exitCodesTopic,
  },
  {
    name: 'environment',
    summary: 'environment variables, and what wins over what',
    load: async () => (await import('./environment.ts')).environmentTopic(),
  },
  { name: 'job-files', summary: 'one request, or the jobs of a run, in a file', load: () => JOB_FILES },
  { name: 'output', summary: 'streams, names and templates', load: () => OUTPUT },
  {
    name: 'faults',
    summary: 'what can go wrong in the sandbox on demand',
    load: async () => (await import('./faults-topic.ts')).faultsTopic(),
  },
];

/** The names of the help topics. */
export const TOPIC_NAMES: readonly string[] = TOPICS.map(({ name }) => name);

/** Makes `evolink help [command|topic]`. */
export function addHelpTopics(program: Command, output: ProgramOutput, end: (exit: number) => void): void {
  program.helpCommand(false);
  program
    .command('help')
    .summary(`help for a command, or a topic: ${TOPIC_NAMES.join(', ')}`)
    .argument('[name]', 'command or topic')
    .action(async (name: string | undefined) => {
      const topic = TOPICS.find((known) => known.name === name);
      const command = name === undefined ? program : program.commands.find((known) => known.name() === name);
      if (topic !== undefined) output.writeOut(`${await topic.load()}\n`);
      else if (command !== undefined) command.outputHelp();
      else program.error(`unknown command or topic '${name}'`);
      end(0);
    });
  const rows = TOPICS.map(({ name, summary }) => `  evolink help ${name.padEnd(13)} ${summary}`).join('\n');
  program.addHelpText('after', `\nTopics:\n${rows}`);
}
