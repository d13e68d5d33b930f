// Loaded into the built binary by `node --import`: makes the Nth call that changes a file fail, be cut short, or be the
// last thing the process does. The plan is JSON in FAULT_PRELOAD_PLAN; what happened goes to the file that its `log`
// names, one JSON line an event, written through the functions as they were before they were patched.
import { createRequire, syncBuiltinESMExports } from 'node:module';

const require = createRequire(import.meta.url);
const fs = require('node:fs');
const dns = require('node:dns');
const { closeSync, openSync, writeSync } = fs;

/**
 * at:      number of the call that is struck, from 1 (0 = none, only count)
 * mode:    'kill' | 'error' | 'short' | 'never' (asynchronous calls alone: neither done nor answered)
 * when:    'before' | 'after' (mode kill)
 * signal:  'SIGKILL' | 'SIGINT' | 'SIGTERM' | 'SIGHUP' (mode kill)
 * code:    'EIO', 'ENOSPC', … (mode error)
 * sticky:  true: every matching call from the Nth on is struck, as on a disk that stays full
 * only:    names of calls that count; all of them if absent
 * path:    a regular expression; only calls on paths that match it count
 * dns:     so many look-ups of host names fail with EAI_AGAIN, the rest give 127.0.0.1
 * address: what look-ups of host names give in place of 127.0.0.1 (with `dns`)
 * log:     path of the log
 */
const plan = JSON.parse(process.env.FAULT_PRELOAD_PLAN ?? '{}');
const only = plan.only === undefined ? undefined : new Set(plan.only);
const pathForm = plan.path === undefined ? undefined : new RegExp(plan.path);

let count = 0;

function note(event) {
  if (plan.log === undefined) return;
  const file = openSync(plan.log, 'a');
  writeSync(file, `${JSON.stringify(event)}\n`);
  closeSync(file);
}

const die = () => process.kill(process.pid, plan.signal ?? 'SIGKILL');

/** Says whether this call is to be struck, and counts it. Throws where it is to fail. */
function isStruck(name, of) {
  const path = String(of);
  if (only?.has(name) === false || pathForm?.test(path) === false) return false;
  count += 1;
  if (!(plan.sticky === true && plan.at > 0 ? count >= plan.at : count === plan.at)) return false;
  note({ fired: count, name, path });
  if (plan.mode !== 'error') return true;
  const { code } = plan;
  throw Object.assign(new Error(`${code}: injected, ${name} '${path}'`), { code, syscall: name, path });
}

/** Wraps one call that returns a promise. `shorten` gives the arguments of a write of half the bytes. */
function wrapAsync(name, real, { pathOf, shorten }) {
  return async function (...args) {
    if (!isStruck(name, pathOf(this, args))) return real.apply(this, args);
    if (plan.mode === 'never') return new Promise(() => undefined);
    if (plan.mode === 'short') return real.apply(this, shorten === undefined ? args : shorten(args));
    if (plan.when !== 'after') {
      die();
      return real.apply(this, args);
    }
    try {
      return await real.apply(this, args);
    } finally {
      die();
    }
  };
}

function wrapSync(name, real) {
  return function (...args) {
    if (plan.mode === 'never' || !isStruck(name, args[0])) return real.apply(this, args);
    if (plan.mode === 'kill' && plan.when !== 'after') die();
    try {
      return real.apply(this, args);
    } finally {
      if (plan.mode === 'kill' && plan.when === 'after') die();
    }
  };
}

function isWriting(flags) {
  return typeof flags === 'number'
    ? (flags & (fs.constants.O_WRONLY | fs.constants.O_RDWR | fs.constants.O_CREAT)) !== 0
    : /[wax+]/.test(String(flags ?? 'r'));
}

const paths = new WeakMap();
const firstArgument = { pathOf: (_self, args) => args[0] };

async function patchFiles() {
  const { promises } = fs;
  const realOpen = promises.open;
  const handle = await realOpen('/dev/null', 'r');
  const { prototype } = handle.constructor;
  await handle.close();

  const open = wrapAsync('open', realOpen, firstArgument);
  promises.open = async (path, flags, mode) => {
    const opened = isWriting(flags) ? await open(path, flags, mode) : await realOpen(path, flags, mode);
    paths.set(opened, path);
    return opened;
  };
  for (const name of 'rename link unlink mkdir rmdir rm writeFile appendFile truncate'.split(' '))
    promises[name] = wrapAsync(name, promises[name], firstArgument);
  const ofHandle = { pathOf: (self) => paths.get(self) ?? '' };
  const shown = { sync: 'fsync', datasync: 'fsync', truncate: 'ftruncate', writeFile: 'write' };
  for (const [name, as] of Object.entries(shown)) prototype[name] = wrapAsync(as, prototype[name], ofHandle);
  prototype.write = wrapAsync('write', prototype.write, {
    ...ofHandle,
    shorten: ([bytes, offset, length, position]) => [bytes, offset, Math.floor(length / 2), position],
  });
  prototype.writev = wrapAsync('write', prototype.writev, {
    ...ofHandle,
    shorten: ([[first], position]) => [[first.subarray(0, Math.ceil(first.length / 2))], position],
  });
  for (const name of ['rename', 'link', 'unlink', 'mkdir', 'rm', 'writeFile'])
    fs[`${name}Sync`] = wrapSync(name, fs[`${name}Sync`]);
}

function patchNames() {
  let failuresLeft = plan.dns;
  dns.lookup = (_host, options, callback) => {
    const done = callback ?? options;
    const wantsAll = typeof options === 'object' && options?.all === true;
    setImmediate(() => {
      if (failuresLeft > 0) {
        failuresLeft -= 1;
        note({ fired: 1, name: 'lookup' });
        return done(Object.assign(new Error('getaddrinfo EAI_AGAIN'), { code: 'EAI_AGAIN', errno: -3001 }));
      }
      const address = plan.address ?? '127.0.0.1';
      return wantsAll ? done(null, [{ address, family: 4 }]) : done(null, address, 4);
    });
  };
}

await patchFiles();
if (plan.dns !== undefined) patchNames();
syncBuiltinESMExports();
process.on('exit', () => {
  const { maxRSS, userCPUTime, systemCPUTime } = process.resourceUsage();
  note({ calls: count, maxRssKilobytes: maxRSS, cpuMs: (userCPUTime + systemCPUTime) / 1000 });
});
