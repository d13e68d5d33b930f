import type { YamlDocument } from '../config/read-yaml.ts';
import type { Position } from '../config/yaml-problems.ts';
import { describeKeyPath, type KeyPath } from '../request/body-reader.ts';
import { describeValue } from '../request/describe-value.ts';

/** Says where the keys of one file stand. */
export interface Places {
  /** `defaults.quality (job.yaml:4:3)`; a key that the file does not have is placed at the nearest one around it. */
  describe(keyPath: KeyPath): string;
  /** The position alone. */
  positionOf(keyPath: KeyPath): Position;
  /** As `describe`, for a known position. */
  at(keyPath: KeyPath, position: Position): string;
}

/** @param label the file as the person named it */
export function createPlaces(label: string, document: YamlDocument | undefined): Places {
  const at = (keyPath: KeyPath, { line, column }: Position) => {
    const place = `${label}:${line}:${column}`;
    return keyPath.length === 0 ? place : `${describeValue(describeKeyPath(keyPath))} (${place})`;
  };
  const find = (keyPath: KeyPath): Position => {
    const found = document?.keyAt(keyPath);
    if (found !== undefined) return found;
    if (keyPath.length === 0) return document?.valueAt([]) ?? { line: 1, column: 1 };
    return find(keyPath.slice(0, -1));
  };
  return {
    at,
    positionOf: find,
    describe: (keyPath) => at(keyPath, find(keyPath)),
  };
}
