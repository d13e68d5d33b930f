import type { Command } from 'commander';
import type { Context } from '../context.ts';

/** Declares `sandbox`. */
export function declareSandbox(program: Command, context: Context, end: (exit: number) => void): void {
  program
    .command('sandbox')
    .summary('a local EvoLink API to develop against')
    .description('Runs the API on loopback: no key, no network, no cost, real clips, and faults on demand.')
    .option('--port <port>', 'port of the API (default: any free one)')
    .option('--speed <factor>', 'how much faster than the real service tasks run (default 60)')
    .option(
      '--faults <plan>',
      'what goes wrong, such as "submit:429*2(retry-after=1); link:cut@65536": evolink help faults',
    )
    .option('--credits <credits>', 'balance at the start')
    .option('--seed <number>', 'seed of everything that is left to chance')
    .addHelpText(
      'after',
      '\nExamples:\n  evolink sandbox --port 8787\n  EVOLINK_BASE_URL=http://127.0.0.1:8787 EVOLINK_API_KEY=sandbox-key-0001 evolink t2v "a paper boat"',
    )
    .action(async (_options: unknown, self: Command) => {
      const { runSandbox } = await import('../run-sandbox.ts');
      end(await runSandbox(context, self.optsWithGlobals()));
    });
}
