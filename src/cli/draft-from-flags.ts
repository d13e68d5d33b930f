import { coerceDuration } from '../request/coerce-duration.ts';
import type { Operation, RequestDraft, Sourced } from '../request/types.ts';

/** The request flags of a generating command as commander hands them over. */
export interface RequestOptions {
  readonly prompt?: string;
  readonly promptFile?: string;
  readonly file?: string;
  readonly job?: string;
  readonly tier?: string;
  readonly model?: string;
  readonly duration?: string;
  readonly quality?: string;
  readonly aspectRatio?: string;
  readonly mute?: boolean;
  readonly contentFilter?: boolean;
  readonly webSearch?: boolean;
  readonly callbackUrl?: string;
  readonly image?: readonly string[];
  readonly video?: readonly string[];
  readonly audio?: readonly string[];
  readonly first?: string;
  readonly last?: string;
}

function sourced<T>(value: T | undefined, source: string): Sourced<T> | undefined {
  return value === undefined ? undefined : { value, source };
}

function listed(
  values: readonly string[] | undefined,
  source: string,
): readonly Sourced<string>[] | undefined {
  return values?.map((value, index) => ({
    value,
    source: values.length === 1 ? source : `${source} (number ${index + 1})`,
  }));
}

function imagesFrom({ image, first, last }: RequestOptions): readonly Sourced<string>[] | undefined {
  const named = [sourced(first, '--first'), sourced(last, '--last')].filter((entry) => entry !== undefined);
  return named.length > 0 ? named : listed(image, '--image');
}

/** What the flags of one generating command ask for. Nothing is checked here but how the text of a flag is read. */
export function draftFromFlags(
  operation: Operation,
  options: RequestOptions,
  prompt: Sourced<string> | undefined,
): RequestDraft {
  const isMuted = options.mute;
  return {
    operation,
    prompt,
    model: sourced(options.model, '--model'),
    tier: sourced(options.tier, '--tier'),
    images: imagesFrom(options),
    videos: listed(options.video, '--video'),
    audios: listed(options.audio, '--audio'),
    duration: sourced(
      options.duration === undefined ? undefined : coerceDuration(options.duration),
      '--duration',
    ),
    quality: sourced(options.quality, '--quality'),
    aspectRatio: sourced(options.aspectRatio, '--aspect-ratio'),
    generateAudio:
      isMuted === undefined ? undefined : { value: !isMuted, source: isMuted ? '--mute' : '--no-mute' },
    contentFilter: sourced(
      options.contentFilter,
      options.contentFilter === false ? '--no-content-filter' : '--content-filter',
    ),
    webSearch: sourced(options.webSearch, options.webSearch === false ? '--no-web-search' : '--web-search'),
    callbackUrl: sourced(options.callbackUrl, '--callback-url'),
  };
}
