import type { Fault, FaultPoint } from './fault-types.ts';

interface PendingFault {
  readonly fault: Fault;
  skipsLeft: number;
  strikesLeft: number;
}

/** What a fault may depend on. */
export interface FaultTarget {
  readonly isReusedConnection?: boolean;
  /** Number of the result link, from 1. */
  readonly linkIndex?: number;
}

export interface FaultQueue {
  add(faults: readonly Fault[]): void;
  /**
   * Takes what strikes this request: the first exclusive fault of the point, and the first of each modifier kind
   * (unless listed in `later`). Counts go down.
   */
  take(point: FaultPoint, target?: FaultTarget, later?: readonly string[]): readonly Fault[];
  /** Takes one modifier by kind. */
  takeKind(point: FaultPoint, kind: string): Fault | undefined;
  /** What has not struck yet, as written. */
  pending(): readonly string[];
}

/** Holds the faults that wait for their request. */
export function createFaultQueue(): FaultQueue {
  let queue: PendingFault[] = [];

  const strike = (pending: PendingFault): Fault | undefined => {
    if (pending.skipsLeft > 0) {
      pending.skipsLeft -= 1;
      return undefined;
    }
    pending.strikesLeft -= 1;
    if (pending.strikesLeft <= 0) queue = queue.filter((each) => each !== pending);
    return pending.fault;
  };

  return {
    add: (faults) => {
      const added = faults.map((fault) => ({
        fault,
        skipsLeft: Number(fault.options.skip ?? 0),
        strikesLeft: fault.count,
      }));
      queue = [...queue, ...added];
    },
    take: (point, target = {}, later = []) => {
      const struck = new Map<string, Fault>();
      for (const pending of queue) {
        const { fault } = pending;
        const group = fault.isModifier ? fault.kind : 'exclusive';
        if (fault.point !== point || struck.has(group) || later.includes(fault.kind)) continue;
        if (!fits(fault, target)) continue;
        const hit = strike(pending);
        if (hit !== undefined) struck.set(group, hit);
      }
      return [...struck.values()];
    },
    takeKind: (point, kind) => {
      const pending = queue.find(({ fault }) => fault.point === point && fault.kind === kind);
      return pending === undefined ? undefined : strike(pending);
    },
    pending: () => queue.map(({ fault }) => fault.text),
  };
}

function fits(fault: Fault, target: FaultTarget): boolean {
  if ('reused' in fault.options && target.isReusedConnection !== true) return false;
  return fault.options.index === undefined || Number(fault.options.index) === target.linkIndex;
}
