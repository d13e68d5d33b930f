/**
 * Whether the terminal's locale can show more than ASCII: the first of `LC_ALL`, `LC_CTYPE`, `LANG` that is not empty
 * decides (POSIX, "Internationalization Variables"); Windows Terminal and VS Code can without any.
 */
export function isUnicodeLocale(env: Readonly<Record<string, string | undefined>>): boolean {
  const locale = env.LC_ALL || env.LC_CTYPE || env.LANG;
  if (locale) return /utf-?8/i.test(locale);
  return Boolean(env.WT_SESSION) || env.TERM_PROGRAM === 'vscode';
}
