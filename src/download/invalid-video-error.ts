/** The bytes are not a whole MP4. The message names the flaw, free of control characters; a new download may be sound. */
export class InvalidVideoError extends Error {
  override readonly name = 'InvalidVideoError';
  /** The host sent a page or another text: the link may be dead. */
  readonly isPage: boolean;

  constructor(message: string, { isPage = false }: { readonly isPage?: boolean } = {}) {
    super(message);
    this.isPage = isPage;
  }
}
