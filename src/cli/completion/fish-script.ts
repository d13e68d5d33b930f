import type { CommandTree, CompletedFlag } from './command-tree.ts';

/** For fish: sourced, or as `evolink.fish` in a folder of `$fish_complete_path`. */
export function fishScript({ globalFlags, commands }: CommandTree): string {
  const verbs = commands.map(({ name }) => name).join(' ');
  const lines = ['evolink', 'evolink-video'].flatMap((program) => [
    ...globalFlags.map((flag) => flagLine(program, flag)),
    ...commands.map(
      ({ name, summary }) =>
        `complete -c ${program} -n "not __fish_seen_subcommand_from ${verbs}" -f -a ${name} -d ${quote(summary)}`,
    ),
    ...commands.flatMap(({ name, flags, words }) => [
      ...flags.map((flag) => flagLine(program, flag, name)),
      ...(words.length === 0
        ? []
        : [
            `complete -c ${program} -n "__fish_seen_subcommand_from ${name}" -f -a ${quote(words.join(' '))}`,
          ]),
    ]),
  ]);
  return `# completion of evolink for fish; load it with: evolink completion fish | source\n${lines.join('\n')}\n`;
}

function flagLine(program: string, flag: CompletedFlag, verb?: string): string {
  const condition = verb === undefined ? '' : ` -n "__fish_seen_subcommand_from ${verb}"`;
  const names = flag.names.map((name) =>
    name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`,
  );
  const value =
    flag.values.length > 0 ? ` -x -a ${quote(flag.values.join(' '))}` : flag.isPath ? ' -r -F' : ' -x';
  return `complete -c ${program}${condition} ${names.join(' ')}${flag.takesValue ? value : ''} -d ${quote(flag.description)}`;
}

function quote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
