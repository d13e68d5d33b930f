/** Shorter secrets would be given away by their last characters. */
const MIN_CHARACTERS = 16;

/** A secret as it may be shown: `…` and its last 4 characters, `***` for one shorter than 16. */
export function maskSecret(secret: string): string {
  return secret.length >= MIN_CHARACTERS ? `…${secret.slice(-4)}` : '***';
}
