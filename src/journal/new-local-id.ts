/** Without `i l o u`: easy to read out, and no words by accident (Crockford's Base32 alphabet, lower case). */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const RANDOM_LENGTH = 6;

/** What a local id, and so the name of a record's file, may look like. */
export const LOCAL_ID = /^[0-9a-z][0-9a-z-]{0,63}$/;

/**
 * A new id for a request that has no task id yet: `20261121-091502-k3f9q2`, UTC. Sorts by time, is lower case and safe
 * as a file name everywhere. `random` gives numbers in [0, 1).
 */
export function newLocalId(nowMs: number, random: () => number): string {
  const [day, time] = new Date(nowMs).toISOString().slice(0, 19).replaceAll(/[-:]/g, '').split('T');
  const letters = Array.from({ length: RANDOM_LENGTH }, () =>
    ALPHABET.charAt(Math.floor(random() * ALPHABET.length)),
  );
  return `${day}-${time}-${letters.join('')}`;
}
