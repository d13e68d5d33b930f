/** The form flags as commander hands them over. */
export interface FormOptions {
  readonly json?: boolean;
  readonly events?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  readonly debug?: boolean;
  readonly color?: boolean;
  readonly progress?: boolean;
  readonly sandbox?: boolean;
}

export type Form = 'human' | 'json' | 'events';

/** Which output form is asked for. `--events` contains what `--json` would say, so it wins. */
export function formOf(options: FormOptions): Form {
  if (options.events === true) return 'events';
  return options.json === true ? 'json' : 'human';
}

export function verbosityOf(options: FormOptions): 'quiet' | 'normal' | 'verbose' {
  if (options.quiet === true) return 'quiet';
  return options.verbose === true || options.debug === true ? 'verbose' : 'normal';
}
