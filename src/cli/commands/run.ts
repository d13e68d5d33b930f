import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Context } from '../context.ts';
import { collect, parseCredits } from '../flags.ts';

/** Declares `run`. What it does is loaded when it runs. */
export function declareRun(program: Command, context: Context, end: (exit: number) => void): void {
  const command = program
    .command('run')
    .summary('all jobs of job files: makes what is missing or has changed')
    .description(
      'Plans the jobs of YAML or JSON job files, and makes the clips that are missing or whose request has changed. What is there and unchanged is left alone; what is open is continued; nothing is bought twice.',
    )
    .argument('[file...]', 'job files');
  addSelectionFlags(command);
  addMoneyFlags(command);
  addWorkFlags(command);
  command
    .addHelpText(
      'after',
      '\nExamples:\n  evolink run --init && evolink run evolink.yaml --sandbox\n  evolink run jobs.yaml --dry-run\n  evolink run jobs.yaml --shard 1/4 --max-credits 500 --report report.html --report junit.xml',
    )
    .action(async (files: string[], _options: unknown, self: Command) => {
      const { runJobs } = await import('../run-jobs.ts');
      end(await runJobs(context, { files, options: self.optsWithGlobals() }));
    });
}

function addSelectionFlags(command: Command): void {
  command
    .optionsGroup('Which jobs:')
    .option('--only <glob>', 'only jobs of this name, such as "hero" or "product/*"; repeatable', collect)
    .option('--skip <glob>', 'all but these; repeatable', collect)
    .option('--shard <i/n>', 'the i-th of n equal parts, for several runners')
    .addOption(
      new Option(
        '--force [glob]',
        'make clips again that are up to date: all, or --force=GLOB; repeatable',
      ).argParser(collectOptional),
    )
    .option('--max-jobs <count>', 'how many jobs files may expand to (default 10000)', parseCount);
}

function addMoneyFlags(command: Command): void {
  command
    .optionsGroup('Money:')
    .option('--dry-run', 'print the plan; send nothing to the service, need no key')
    .option(
      '--max-credits <credits>',
      'refuse a plan that costs more, and stop before it would be passed',
      parseCredits,
    )
    .option('--allow-partial', 'go as far as the balance or --max-credits reaches')
    .option('--yes', 'do not ask before a large plan')
    .addOption(new Option('--adopt', 'give clips of unchanged requests their new names'))
    .addOption(new Option('--no-adopt', 'make them anew'))
    .option(
      '--retry-failed <times>',
      'buy a task again that failed for a passing reason (default 0)',
      parseCount,
    );
}

function addWorkFlags(command: Command): void {
  command
    .optionsGroup('Work:')
    .option(
      '--concurrency <tasks>',
      'tasks at the same time, less while the service says it is too much (default 4)',
      parseCount,
    )
    .option('--timeout <time>', 'how long to wait for each task, such as 90s, 30m, 2h (default 30m)')
    .option(
      '--check-urls',
      'look at the first bytes of all media URLs of the plan (without it: up to 40, for up to 5 s)',
    )
    .option('--no-check-urls', 'look at none')
    .addOption(new Option('--keep-going', 'go on when a job fails (default)').conflicts('failFast'))
    .addOption(new Option('--fail-fast', 'send nothing more when a job fails; what runs is saved'))
    .option('--report <file>', 'write a report: .json, .xml (JUnit), .md, .html; repeatable', collect)
    .option('--init [file]', 'write a commented example (default evolink.yaml) and end');
}

function parseCount(value: string): number {
  const count = Number(value);
  if (/^\d{1,7}$/.test(value)) return count;
  throw new InvalidArgumentError('It must be a whole number.');
}

/** `--force` alone means all. */
function collectOptional(value: string, earlier: readonly string[] | true | undefined): readonly string[] {
  return [...(Array.isArray(earlier) ? earlier : []), value];
}
