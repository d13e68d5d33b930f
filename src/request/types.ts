import type { AspectRatio, OPERATIONS, Quality, Tier } from './models.ts';

/** The three operations of `POST /v1/videos/generations`; each is a command of the same name. */
export type Operation = (typeof OPERATIONS)[number];

/** A value with the flag, key or place that gave it, for messages: `--duration`, `defaults.quality (job.yaml:4:3)`. */
export interface Sourced<T> {
  readonly value: T;
  readonly source: string;
}

/** What a person asked for, before any check: one entry a setting that was named. Values may have any type. */
export interface RequestDraft {
  readonly operation: Operation;
  readonly model?: Sourced<unknown> | undefined;
  readonly tier?: Sourced<unknown> | undefined;
  readonly prompt?: Sourced<unknown> | undefined;
  readonly images?: readonly Sourced<unknown>[] | undefined;
  readonly videos?: readonly Sourced<unknown>[] | undefined;
  readonly audios?: readonly Sourced<unknown>[] | undefined;
  readonly duration?: Sourced<unknown> | undefined;
  readonly quality?: Sourced<unknown> | undefined;
  readonly aspectRatio?: Sourced<unknown> | undefined;
  readonly generateAudio?: Sourced<unknown> | undefined;
  readonly contentFilter?: Sourced<unknown> | undefined;
  readonly webSearch?: Sourced<unknown> | undefined;
  readonly callbackUrl?: Sourced<unknown> | undefined;
}

/** A request that passed every check. Media are http(s) URLs, or local paths where the caller allows them. */
export interface GenerationRequest {
  readonly operation: Operation;
  readonly model: string;
  /** Absent for a model id that the table does not hold. */
  readonly tier?: Tier | undefined;
  readonly prompt: string;
  readonly images: readonly string[];
  readonly videos: readonly string[];
  readonly audios: readonly string[];
  readonly durationSeconds: number;
  /** Members of the tables for known models; any non-empty string for a model the table does not hold. */
  readonly quality: Quality | (string & {});
  readonly aspectRatio: AspectRatio | (string & {});
  readonly generateAudio: boolean;
  readonly contentFilter: boolean;
  /** Absent = not sent (only t2v has it). */
  readonly webSearch?: boolean | undefined;
  readonly callbackUrl?: string | undefined;
}

/** One thing wrong with the input, found before anything is sent. */
export interface Problem {
  /** The flag or key, with its place. */
  readonly source: string;
  /** The offending value as text, cut to a readable length; absent when nothing was given. */
  readonly value?: string | undefined;
  /** What is wrong and what is allowed: `must be a whole number from 4 to 15`. */
  readonly message: string;
  /** The nearest allowed spelling. */
  readonly suggestion?: string | undefined;
}

/** The JSON body of `POST /v1/videos/generations`, keys in the order of the API's documents. */
export interface WireBody {
  readonly model: string;
  readonly prompt: string;
  readonly image_urls?: readonly string[];
  readonly video_urls?: readonly string[];
  readonly audio_urls?: readonly string[];
  readonly duration: number;
  readonly quality: string;
  readonly aspect_ratio: string;
  readonly generate_audio: boolean;
  readonly content_filter: boolean;
  readonly model_params?: { readonly web_search: boolean };
  readonly callback_url?: string;
}
