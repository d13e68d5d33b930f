import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { errorOf, useRig } from '../helpers/rig.ts';

it('of 20 processes that find the lock of a dead one, one sends the request', {
  timeout: 300_000,
}, async () => {
  const rig = await useRig({ rate: 5 });
  const faults = { at: 1, mode: 'kill', when: 'after', only: ['link'], path: 'locks' } as const;
  expect((await rig.generate({ faults })).code).toBe(null);
  const locks = join(rig.state, 'locks');
  expect(readdirSync(locks).filter((name) => name.endsWith('.lock'))).toHaveLength(1);
  const results = await Promise.all(Array.from({ length: 20 }, () => rig.generate({ asProcess: true })));
  expect([rig.posts(), rig.charges()]).toEqual([1, 1]);
  const codes = results.map(({ code }) => code);
  expect(codes.filter((code) => code === 0).length).toBeGreaterThan(0);
  // The others find it locked, attach to its task, or find its clip.
  expect(codes.filter((code) => ![0, 11, 12].includes(code ?? -1))).toEqual([]);
  for (const result of results) if (result.code !== 0) expect(errorOf(result).charged).not.toBe('unknown');
  expect(readdirSync(locks).filter((name) => name.endsWith('.lock'))).toEqual([]);
});
