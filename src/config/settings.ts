/** Where a setting came from, strongest first. `sandbox` stands for what `--sandbox` puts in place. */
export type SettingLevel = 'flag' | 'environment' | 'project' | 'user' | 'built-in' | 'sandbox';

export interface Setting<T> {
  readonly value: T;
  readonly level: SettingLevel;
  /** `EVOLINK_BASE_URL`, `/home/me/project/.evolinkrc:3`, `--timeout`, `built-in`. */
  readonly source: string;
}

/** What may be overridden of the list prices: credits per second by tier and quality. */
export interface PriceOverride {
  readonly tier: string;
  readonly quality: string;
  readonly withoutVideo?: number | undefined;
  readonly withVideo?: number | undefined;
}
