import { EvolinkError } from '../errors.ts';
import type { OutputStream } from '../platform/io.ts';
import { downloadFailed, paidFacts } from './errors.ts';
import { type DownloadDependencies, fetchLink, type LinkJob, type SavedFile, type Sink } from './fetch.ts';
import { VideoCheck } from './part-file.ts';

const WARNING =
  'on standard output only length and box structure of the video could be checked, not its contents';

/**
 * Passes one result to standard output. Bytes that went out are never repeated: after a cut the download goes on at the
 * exact byte, under a validator, or ends. Nothing goes out before the first bytes are known to be those of an MP4.
 * @throws EvolinkError `download` (9), `expired` (10), `local-io` (11: the reader went away); what `refreshLink` throws;
 * the signal's reason when aborted
 */
export function streamLink(
  { stdout, ...deps }: DownloadDependencies & { readonly stdout: OutputStream },
  job: LinkJob,
): Promise<SavedFile> {
  const { taskId } = job;
  let check = new VideoCheck();
  /** Held back until what they are is known. */
  let held: Uint8Array[] = [];
  let source: Sink['source'] = {};
  let sizeBytes = 0;

  const letOut = async () => {
    const flaw = check.flaw();
    if (flaw !== undefined) throw flaw;
    for (const chunk of held.splice(0)) {
      await stdout.write(chunk);
      if (stdout.isClosed()) {
        const facts = paidFacts(taskId);
        const text = 'standard output was closed before the whole video was written';
        const hint = `save the video to a file instead: ${facts.resume.join(' ')}`;
        throw new EvolinkError('local-io', text, { ...facts, hint });
      }
      sizeBytes += chunk.byteLength;
    }
  };
  const sink: Sink = {
    get sizeBytes() {
      return sizeBytes;
    },
    get source() {
      return source;
    },
    startOver: async (next, reason) => {
      if (sizeBytes > 0) throw sink.failure(reason);
      check = new VideoCheck();
      held = [];
      source = next;
    },
    write: async (chunk) => {
      check.push(chunk);
      held.push(chunk);
      if (check.isStartKnown()) await letOut();
    },
    failure: (reason, obstacle) => {
      const partly = `${sizeBytes} bytes were written: what was made of them is not whole`;
      const written = sizeBytes === 0 ? 'nothing was written' : partly;
      return downloadFailed(taskId, `${reason}; ${written}`, obstacle);
    },
  };
  return fetchLink(deps, job, sink, async () => {
    const cut = source.totalBytes === undefined ? check.cut() : undefined;
    if (cut !== undefined) throw cut;
    await letOut();
    return { sizeBytes, sha256: check.sha256(), warnings: [WARNING] };
  });
}
