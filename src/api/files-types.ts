/** A local file on its way to the service. */
export interface UploadSource {
  /** As the service is to know it; ASCII, with the extension of its type. */
  readonly fileName: string;
  readonly mimeType: string;
  readonly sizeBytes: number;
  /** Opens the content anew; each try reads it from the start. */
  readonly open: () => AsyncIterable<Uint8Array>;
}

/** A file that the service holds for some time. */
export interface StoredFile {
  /** Absent where the service names none: then the file can't be deleted. */
  readonly fileId?: string | undefined;
  readonly fileName?: string | undefined;
  /** What goes into a request. */
  readonly fileUrl: string;
  readonly sizeBytes?: number | undefined;
  readonly mimeType?: string | undefined;
  readonly uploadedAtMs?: number | undefined;
  /** By the local clock: a clock that goes wrong here does not matter. Absent where the service does not tell. */
  readonly expiresAtMs?: number | undefined;
}

export interface FilePage {
  readonly files: readonly StoredFile[];
  readonly total?: number | undefined;
}

/** How many files the account may hold. */
export interface FileQuota {
  readonly userGroup?: string | undefined;
  readonly usedFiles?: number | undefined;
  readonly maxFiles?: number | undefined;
  readonly remainingFiles?: number | undefined;
}

/** The files API, one method an endpoint, each called once without retry. Nothing here costs anything. */
export interface FilesClient {
  readonly baseUrl: string;
  /** Names this service and this key without showing the key: uploads of other accounts are of no use. */
  readonly accountId: string;
  /**
   * Streams a file to the service.
   * @param options.onSent told how many bytes of the file have been handed to the connection
   * @throws ApiReadError: `isTransient` where another try may succeed
   */
  upload(
    source: UploadSource,
    options?: { readonly onSent?: (sentBytes: number) => void; readonly signal?: AbortSignal },
  ): Promise<StoredFile>;
  /** @throws ApiReadError */
  list(query: { readonly page: number; readonly pageSize: number }, signal?: AbortSignal): Promise<FilePage>;
  /** False where the service does not know the file (any more). @throws ApiReadError */
  remove(fileId: string, signal?: AbortSignal): Promise<boolean>;
  /** Undefined where the service does not tell. @throws ApiReadError */
  quota(signal?: AbortSignal): Promise<FileQuota | undefined>;
}
