/** Without a leading `=`, which zsh expands to the path of a command. */
const SAFE_WORD = /^[\w@%+:,./-][\w@%+=:,./-]*$/;

/** Joins arguments into one line that a POSIX shell reads back as the same arguments. */
export function quoteCommand(words: readonly string[]): string {
  return words.map(quoteWord).join(' ');
}

function quoteWord(word: string): string {
  return SAFE_WORD.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
