/** Where one stream stands: decided once, at the start, for each stream on its own. */
export interface OutputStream {
  /** Writes text or bytes. Resolves once the stream has taken them; a closed stream is swallowed and remembered. */
  write(chunk: string | Uint8Array): Promise<void>;
  readonly isTty: boolean;
  /** 0 = no colour, 1 = 16, 2 = 256, 3 = true colour (chalk's levels). */
  readonly colorLevel: 0 | 1 | 2 | 3;
  /** Width in columns, read anew at each call as the window may change. */
  columns(): number;
  /** True once the reader has gone (EPIPE) or the device is full: the work goes on silently. */
  isClosed(): boolean;
  /** The raw stream for libraries that draw (ora, cli-progress). */
  readonly raw: NodeJS.WritableStream;
}

/** The streams of the process. stdout is the result only; everything for people goes to stderr. */
export interface Io {
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly stdin: { readonly isTty: boolean; readText(): Promise<string> };
  /** True where the locale can show more than ASCII. */
  readonly isUnicode: boolean;
}
