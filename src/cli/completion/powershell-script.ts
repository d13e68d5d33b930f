import type { CommandTree, CompletedFlag } from './command-tree.ts';

/** For PowerShell 5.1 and newer: put it into `$PROFILE`. */
export function powershellScript({ globalFlags, commands }: CommandTree): string {
  const rows = commands.map(
    ({ name, flags, words }) =>
      `    ${quote(name)} = ${list([...words, ...flags.flatMap(({ names }) => names)])}`,
  );
  const values = new Map<string, string>();
  for (const flag of [...globalFlags, ...commands.flatMap(({ flags }) => flags)]) {
    for (const name of flag.names) if (flag.values.length > 0) values.set(name, valueRow(name, flag));
  }
  return `# completion of evolink for PowerShell; load it with: evolink completion powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName evolink, evolink-video -ScriptBlock {
  param($wordToComplete, $commandAst, $cursorPosition)
  $commands = @{
${rows.join('\n')}
  }
  $values = @{
${[...values.values()].join('\n')}
  }
  $before = @($commandAst.CommandElements | Where-Object { $_.Extent.EndOffset -lt $cursorPosition } | ForEach-Object { $_.ToString() })
  $verb = $before | Select-Object -Skip 1 | Where-Object { $commands.ContainsKey($_) } | Select-Object -First 1
  $last = if ($before.Count -gt 0) { $before[-1] } else { '' }
  $words = if ($values.ContainsKey($last)) { $values[$last] }
    elseif ($verb) { $commands[$verb] + ${list(globalFlags.flatMap(({ names }) => names))} }
    else { ${list([...commands.map(({ name }) => name), ...globalFlags.flatMap(({ names }) => names)])} }
  $words | Where-Object { $_ -clike "$wordToComplete*" } | ForEach-Object {
    [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
  }
}
`;
}

function valueRow(name: string, { values }: CompletedFlag): string {
  return `    ${quote(name)} = ${list(values)}`;
}

function list(words: readonly string[]): string {
  return `@(${[...new Set(words)].map(quote).join(', ')})`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
