import type { ValueKind } from './value-kinds.ts';

/** Which files may hold a setting. `none`: the environment only. */
export type FilePlace = 'project and user' | 'user' | 'none';

/** One setting. `T` is the type of its values, `B` that of the built-in one (`undefined` where there is none). */
export interface SettingKey<T, B extends T | undefined = T | undefined> {
  /** As written in a file. */
  readonly key: string;
  readonly group: string;
  readonly kind: ValueKind<T>;
  readonly builtIn: B;
  readonly env?: string | undefined;
  /** The flag that sets it; of a yes-or-no setting the one that says yes. */
  readonly flag?: string | undefined;
  /** The flag that says no. */
  readonly flagOff?: string | undefined;
  readonly inFile: FilePlace;
  /** Its value is never shown. */
  readonly isSecret: boolean;
  readonly description: string;
  /** A line of YAML that sets it. */
  readonly example: string;
}

type Row<T, B extends T | undefined> = Pick<
  SettingKey<T, B>,
  'key' | 'group' | 'kind' | 'builtIn' | 'description' | 'example'
> &
  Partial<SettingKey<T, B>>;

/** Fills up a row of the table: unless told otherwise it may stand in both files and has a variable named after its key. */
export function setting<T, B extends T | undefined>(row: Row<T, B>): SettingKey<T, B> {
  return { env: `EVOLINK_${row.key.toUpperCase()}`, inFile: 'project and user', isSecret: false, ...row };
}
