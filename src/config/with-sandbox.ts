import { type ApiKey, toApiKey } from './api-key.ts';
import type { ResolvedConfig } from './resolve-config.ts';

export interface SandboxAddresses {
  readonly apiUrl: string;
  readonly filesUrl: string;
  readonly key: string;
}

/** Puts the addresses and the key of a sandbox in place of whatever is configured: a real key never goes there. */
export function withSandbox(
  settings: ResolvedConfig,
  { apiUrl, filesUrl, key }: SandboxAddresses,
): { readonly settings: ResolvedConfig; readonly apiKey: ApiKey } {
  const origin = { level: 'sandbox', source: '--sandbox' } as const;
  return {
    settings: {
      ...settings,
      baseUrl: { value: apiUrl, ...origin },
      filesUrl: { value: filesUrl, ...origin },
    },
    apiKey: toApiKey(key, origin),
  };
}
