/**
 * Reads the text of a duration flag: `8` or `8s` becomes the number 8. Any other text comes back as it is, so that
 * `resolveRequest` reports it together with everything else.
 */
export function coerceDuration(text: string): number | string {
  const match = /^\s*(\d{1,6})\s*s?\s*$/i.exec(text);
  return match?.[1] === undefined ? text : Number(match[1]);
}
