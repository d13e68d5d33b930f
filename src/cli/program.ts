import { Command } from 'commander';
import { declareCheck } from './commands/check.ts';
import { declareCompletion } from './commands/completion.ts';
import { declareConfig } from './commands/config.ts';
import { declareCredits } from './commands/credits.ts';
import { declareDoctor } from './commands/doctor.ts';
import { declareDownload } from './commands/download.ts';
import { declareGenerate } from './commands/generate.ts';
import { declareReport } from './commands/report.ts';
import { declareResume } from './commands/resume.ts';
import { declareRun } from './commands/run.ts';
import { declareSandbox } from './commands/sandbox.ts';
import { declareSchema } from './commands/schema.ts';
import { declareStatus } from './commands/status.ts';
import { declareUpload } from './commands/upload.ts';
import type { Context } from './context.ts';
import { addFormFlags } from './flags.ts';
import { addHelpTopics } from './help-topics.ts';

export interface ProgramOutput {
  readonly writeOut: (text: string) => void;
  readonly writeErr: (text: string) => void;
}

/**
 * The whole command line. Every verb is made by `.command()` of this configured program, so that it inherits the exit
 * override and the outputs. `end` is told the exit code of the command that ran.
 */
export function buildProgram(context: Context, output: ProgramOutput, end: (exit: number) => void): Command {
  const program = new Command('evolink')
    .description(
      'Videos through the EvoLink API (Seedance 2.0): submitted once, never lost, verified on disk.',
    )
    .version(context.version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: output.writeOut,
      writeErr: output.writeErr,
      getOutHelpWidth: () => Math.min(context.io.stdout.columns(), 110),
      getErrHelpWidth: () => Math.min(context.io.stderr.columns(), 110),
      getOutHasColors: () => context.io.stdout.colorLevel > 0,
      getErrHasColors: () => context.io.stderr.colorLevel > 0,
      outputError: () => undefined,
    })
    .showSuggestionAfterError();
  addFormFlags(program);
  declareGenerate(program, context, end);
  declareRun(program, context, end);
  declareStatus(program, context, end);
  declareDownload(program, context, end);
  declareResume(program, context, end);
  declareCredits(program, context, end);
  declareUpload(program, context, end);
  declareCheck(program, context, end);
  declareReport(program, context, end);
  declareConfig(program, context, end);
  declareDoctor(program, context, end);
  declareSandbox(program, context, end);
  declareSchema(program, context, end);
  declareCompletion(program, output, end);
  addHelpTopics(program, output, end);
  return program;
}
