import type { Http, HttpOptions } from './http-types.ts';
import { proxyFor } from './proxy.ts';

/** An `Http` that loads the HTTP library when the first request is made: `--help` and most errors never need it. */
export function createLazyHttp(options: HttpOptions): Http {
  let loading: Promise<Http> | undefined;
  const load = () => {
    loading ??= import('./http.ts').then(({ createHttp }) => createHttp(options));
    return loading;
  };
  return {
    request: async (request) => (await load()).request(request),
    prepare: async () => void (await load()),
    open: async (request) => (await load()).open(request),
    isProxied: (url) => proxyFor(new URL(url), options.proxy) !== undefined,
    close: () => void loading?.then((http) => http.close()),
  };
}
