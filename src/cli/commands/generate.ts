import { type Command, Option } from 'commander';
import type { Operation } from '../../request/types.ts';
import type { Context } from '../context.ts';
import { addControlFlags, addOutputFlags, addPromptFlags, addRequestFlags, collect } from '../flags.ts';

interface GenerateCommand {
  readonly operation: Operation;
  readonly summary: string;
  readonly examples: readonly string[];
  readonly addMedia: (command: Command) => void;
}

/** Local files are always checked. */
const CHECK_URLS = [
  '--check-urls',
  'look at the first bytes of media URLs too, before anything is sent',
] as const;

/** The three generating commands, a row each. */
const COMMANDS: readonly GenerateCommand[] = [
  {
    operation: 't2v',
    summary: 'text to video: one clip from a prompt',
    examples: [
      'evolink t2v "a paper boat on a lake at dawn" -d 8 -r 9:16',
      'file=$(evolink t2v "a paper boat" -o clips/)',
    ],
    addMedia: (command) => {
      command
        .optionsGroup('Request:')
        .option('--web-search', 'let the model search the web (billed per search)')
        .option('--no-web-search', 'no web search, whatever the config says');
    },
  },
  {
    operation: 'i2v',
    summary: 'image to video: a first frame, or a first and a last frame, and a prompt',
    examples: [
      'evolink i2v "the camera slowly zooms in" -i first.jpg',
      'evolink i2v "day turns to night" --first https://example.com/day.jpg --last https://example.com/night.jpg',
    ],
    addMedia: (command) => {
      command
        .optionsGroup('Media:')
        .option('-i, --image <file|url>', 'first frame; given again, the last frame', collect)
        .addOption(new Option('--first <file|url>', 'first frame').conflicts('image'))
        .addOption(new Option('--last <file|url>', 'last frame').conflicts('image'))
        .option(...CHECK_URLS);
    },
  },
  {
    operation: 'ref',
    summary: 'reference to video: images, clips and sounds that the prompt names',
    examples: [
      'evolink ref "the art style of image 1, audio 1 as music" -i style.png -a https://example.com/bgm.mp3',
      'evolink ref -f body.json --json',
    ],
    addMedia: (command) => {
      command
        .optionsGroup('Media (order counts: "image 1" is the first):')
        .option('-i, --image <file|url>', 'reference image, up to 9', collect)
        .option('-v, --video <file|url>', 'reference clip, up to 3', collect)
        .option('-a, --audio <file|url>', 'reference sound, up to 3, never alone', collect)
        .option(...CHECK_URLS);
    },
  },
];

/** Declares `t2v`, `i2v` and `ref`. What they do is loaded when one of them runs. */
export function declareGenerate(program: Command, context: Context, end: (exit: number) => void): void {
  for (const { operation, summary, examples, addMedia } of COMMANDS) {
    const command = program
      .command(operation)
      .summary(summary)
      .description(`${summary}.`)
      .argument('[prompt]', 'the prompt; - reads it from standard input');
    addPromptFlags(command);
    addMedia(command);
    addRequestFlags(command);
    addOutputFlags(command);
    addControlFlags(command);
    command.addHelpText('after', `\nExamples:\n${examples.map((example) => `  ${example}`).join('\n')}`);
    command.action(async (prompt: string | undefined, _options: unknown, self: Command) => {
      const { runGenerate } = await import('../run-generate.ts');
      end(await runGenerate(context, { operation, prompt, options: self.optsWithGlobals() }));
    });
  }
}
