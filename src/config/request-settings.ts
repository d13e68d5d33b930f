import type { Operation, RequestDraft, Sourced } from '../request/types.ts';
import type { ResolvedConfig } from './resolve-config.ts';
import type { Setting, SettingLevel } from './settings.ts';

const STRENGTH: readonly SettingLevel[] = ['built-in', 'user', 'project', 'environment', 'flag', 'sandbox'];

/** The part of a draft that settings can fill. */
export type RequestSettings = Partial<
  Omit<RequestDraft, 'operation' | 'prompt' | 'images' | 'videos' | 'audios'>
>;

/**
 * What environment and files say about a request, for `mergeDrafts` below flags and job files. Built-in values are left
 * to the request's own defaults. `model` and `tier` are one choice: the one from the weaker source is left out.
 */
export function requestSettings(settings: ResolvedConfig): RequestSettings {
  const { model, tier } = settings;
  const difference = STRENGTH.indexOf(model.level) - STRENGTH.indexOf(tier.level);
  return {
    model: difference < 0 ? undefined : toSourced('model', model),
    tier: difference > 0 ? undefined : toSourced('tier', tier),
    duration: toSourced('duration', settings.durationSeconds),
    quality: toSourced('quality', settings.quality),
    aspectRatio: toSourced('aspect_ratio', settings.aspectRatio),
    generateAudio: toSourced('generate_audio', settings.generateAudio),
    contentFilter: toSourced('content_filter', settings.contentFilter),
    webSearch: toSourced('web_search', settings.webSearch),
    callbackUrl: toSourced('callback_url', settings.callbackUrl),
  };
}

/**
 * The settings as the draft of a request. They hold for all commands, so one that an operation has no field for is left
 * out rather than refused.
 */
export function draftFromSettings(operation: Operation, settings: ResolvedConfig): RequestDraft {
  const draft = { operation, ...requestSettings(settings) };
  return operation === 't2v' ? draft : { ...draft, webSearch: undefined };
}

function toSourced(key: string, { value, level, source }: Setting<unknown>): Sourced<unknown> | undefined {
  if (level === 'built-in') return undefined;
  return { value, source: level === 'project' || level === 'user' ? `${key} (${source})` : source };
}
