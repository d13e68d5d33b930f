import { InvalidVideoError } from './invalid-video-error.ts';
import { readBoxHeader, showType } from './mp4-box.ts';

export interface ChildBox {
  readonly type: string;
  readonly content: Uint8Array;
}

/**
 * The boxes inside a box that holds nothing else. Views, not copies.
 * @throws InvalidVideoError where one reaches out of its parent
 */
export function readChildren(content: Uint8Array, parent: string): readonly ChildBox[] {
  const children: ChildBox[] = [];
  let at = 0;
  while (at < content.length) {
    const rest = content.subarray(at);
    // Apple's writers end a container with 32 zero bits (QuickTime File Format, "User data atoms").
    if (rest.length === 4 && rest.every((byte) => byte === 0)) break;
    const header = readBoxHeader(rest);
    if (header.kind === 'short')
      throw new InvalidVideoError(`box "${parent}" ends inside the header of a box`);
    const sizeBytes = header.sizeBytes === 'toEnd' ? rest.length : header.sizeBytes;
    if (sizeBytes > rest.length)
      throw new InvalidVideoError(`box ${showType(header.type)} reaches out of "${parent}"`);
    children.push({ type: header.type, content: rest.subarray(header.headerBytes, sizeBytes) });
    at += sizeBytes;
  }
  return children;
}

/**
 * The first child of a type.
 * @throws InvalidVideoError when there is none
 */
export function requireChild(children: readonly ChildBox[], type: string, parent: string): ChildBox {
  const child = children.find((box) => box.type === type);
  if (child === undefined) throw new InvalidVideoError(`box "${parent}" has no "${type}"`);
  return child;
}
