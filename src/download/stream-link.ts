import type { LinkJob, SavedFile } from '../config/output-pattern.ts';
import { EvolinkError } from '../errors.ts';
import type { OutputStream } from '../platform/io.ts';
import { downloadCommand, downloadFailed } from './errors.ts';
import { type DownloadDependencies, fetchLink, type Sink } from './fetch.ts';
import { linkIdentity } from './output.ts';
import type { Source } from './response.ts';
import { createVideoCheck } from './verify.ts';

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
  return fetchLink(deps, job, createStreamSink(stdout, job));
}

function createStreamSink(stdout: OutputStream, job: LinkJob): Sink {
  let check = createVideoCheck();
  /** Held back until what they are is known. */
  let held: Uint8Array[] = [];
  let identity = linkIdentity(job.link);
  let source: Source = {};
  let writtenBytes = 0;

  const failure: Sink['failure'] = (reason, more) => {
    const written =
      writtenBytes === 0
        ? 'nothing was written'
        : `${writtenBytes} bytes were written: what was made of them is not whole`;
    return downloadFailed(job, `${reason}; ${written}`, more);
  };
  const begin = (reason: string) => {
    if (writtenBytes > 0) throw failure(reason);
    check = createVideoCheck();
    held = [];
    source = {};
  };
  const letOut = async (isEnd: boolean) => {
    const flaw = check.flaw(isEnd);
    if (flaw !== undefined) throw flaw;
    for (const chunk of held.splice(0)) {
      await stdout.write(chunk);
      if (stdout.isClosed()) throw readerGone(job.taskId);
      writtenBytes += chunk.byteLength;
    }
  };

  return {
    sizeBytes: () => writtenBytes,
    source: () => source,
    isWhole: () => false,
    startOver: async (next) => {
      begin('the host started over and gave nothing to resume from');
      source = next;
    },
    write: async (chunk) => {
      check.push(chunk);
      held.push(chunk);
      if (check.isStartKnown()) await letOut(false);
    },
    flush: async () => undefined,
    distrust: async (reason) => begin(reason),
    discard: async () => undefined,
    changeLink: async (link) => {
      // Another path may be another file: its bytes must not follow those that went out.
      if (linkIdentity(link) !== identity) source = {};
      identity = linkIdentity(link);
    },
    finish: async () => {
      await letOut(true);
      return { sizeBytes: writtenBytes, sha256: check.sha256(), warnings: [WARNING] };
    },
    failure,
  };
}

function readerGone(taskId: string): EvolinkError {
  const resume = downloadCommand(taskId);
  return new EvolinkError('local-io', 'standard output was closed before the whole video was written', {
    hint: `save the video to a file instead: ${resume.join(' ')}`,
    charged: 'yes',
    taskId,
    resume,
  });
}
