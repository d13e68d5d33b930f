import type { CheckUrl } from '../media/check-url.ts';
import { isLoopbackHost } from '../platform/address-class.ts';
import type { Context } from '../platform/context.ts';
import type { Session } from './session.ts';

/** Whether a URL is out of reach as the API is on this machine: nothing of a rehearsal leaves it. */
function isOutsideRehearsal({ isLoopbackApi }: Pick<Session, 'isLoopbackApi'>, url: string): boolean {
  return isLoopbackApi && !isLoopbackHost(new URL(url).hostname);
}

/** How a URL is looked at. */
export async function createUrlCheck(context: Context, session: Session): Promise<CheckUrl> {
  const { checkUrl } = await import('../media/check-url.ts');
  const links = session.openMediaLinks();
  const { clock } = context;
  return async (url) => {
    if (isOutsideRehearsal(session, url))
      return { problems: [], remarks: ['was not checked: a rehearsal stays on this machine'] };
    return checkUrl(url, { links, clock, signal: context.signals.signal });
  };
}
