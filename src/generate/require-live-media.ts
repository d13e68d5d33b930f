import { EvolinkError } from '../errors.ts';
import type { TaskRecord } from '../journal/record.ts';
import { isStillThere } from '../media/check-url.ts';
import { isLoopbackHost } from '../platform/address-class.ts';
import { redactAddress } from '../request/redact-address.ts';
import type { GenerateDependencies } from './dependencies.ts';
import { mediaUrls } from './with-urls.ts';

/**
 * Looks whether the media of a recorded request are still there before it is sent again: uploads live for 72 hours, and a
 * record does not know the files that they were made of. Against an API on this machine nothing else is asked.
 * @throws EvolinkError `usage` where one is certainly gone; then nothing was sent
 */
export async function requireLiveMedia(
  { api, links, clock }: Pick<GenerateDependencies, 'api' | 'links' | 'clock'>,
  record: TaskRecord,
  signal: AbortSignal,
): Promise<void> {
  const isRehearsal = isLoopbackHost(new URL(api.baseUrl).hostname);
  const urls = mediaUrls(record.body).filter(
    (url) => URL.canParse(url) && (!isRehearsal || isLoopbackHost(new URL(url).hostname)),
  );
  const there = await Promise.all(urls.map((url) => isStillThere(url, { links, clock, signal })));
  const gone = urls.filter((_, index) => there[index] === false);
  if (gone.length === 0) return;
  throw new EvolinkError('usage', 'the request was not sent again: its reference media are gone', {
    charged: record.state === 'intent' ? 'no' : 'unknown',
    details: [...gone.map(redactAddress), 'uploads are kept for 72 hours'],
    hint: 'run the command that made it again: it uploads the files anew',
  });
}
