/**
 * The length of a clip or sound in seconds; `undefined` where the file cannot be read as one. The media library is
 * loaded at the first call only.
 */
export async function mediaSeconds(filePath: string): Promise<number | undefined> {
  const { ALL_FORMATS, FilePathSource, Input } = await import('mediabunny');
  const input = new Input({ formats: ALL_FORMATS, source: new FilePathSource(filePath) });
  try {
    const seconds = await input.computeDuration();
    return Number.isFinite(seconds) && seconds > 0 ? seconds : undefined;
  } catch {
    return undefined; // Not a file that the library knows: the server then assumes a length.
  } finally {
    input.dispose();
  }
}
