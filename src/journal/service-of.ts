/** The API of EvoLink itself, which most records belong to. */
const OWN_ORIGIN = 'https://api.evolink.ai';

/**
 * Which service an API address belongs to: its origin, or undefined for EvoLink's own. A task of one service means nothing
 * to another, whatever their requests have in common. Text that is no URL is a service of its own.
 */
export function serviceOf(baseUrl: string): string | undefined {
  const origin = URL.canParse(baseUrl) ? new URL(baseUrl).origin : baseUrl;
  return origin === OWN_ORIGIN ? undefined : origin;
}
