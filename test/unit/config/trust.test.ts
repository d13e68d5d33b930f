import { describe, expect, it } from 'vitest';
import { judgeHost, trustHosts } from '../../../src/config/api-key.ts';
import type { Setting, SettingLevel } from '../../../src/request/estimate.ts';

function host(value: string, level: SettingLevel): Setting<string> {
  return { value, level, source: level === 'project' ? '/repo/.evolinkrc:2' : level };
}

const BUILT_IN = host('https://api.evolink.ai', 'built-in');
const FILES = [host('https://files-api.evolink.ai', 'built-in')];

// biome-ignore format: one row a case
const CASES: readonly (readonly [url: string, urlLevel: SettingLevel, keyLevel: SettingLevel, verdict: string])[] = [
  ['https://api.evolink.ai',            'built-in',    'environment', 'trusted'],
  ['https://proxy.example',             'environment', 'environment', 'trusted'],
  ['https://proxy.example',             'user',        'environment', 'trusted'],
  ['https://proxy.example',             'environment', 'user',        'trusted'],
  ['https://proxy.example',             'user',        'project',     'trusted'],
  ['https://proxy.example',             'project',     'project',     'trusted'],
  ['https://proxy.example',             'project',     'environment', 'foreign'],
  ['https://proxy.example',             'project',     'user',        'foreign'],
  ['https://api.evolink.ai/v2',         'project',     'environment', 'trusted'],
  ['https://files-api.evolink.ai',      'project',     'user',        'trusted'],
  ['http://localhost:8080',             'project',     'environment', 'own-machine'],
  ['http://127.0.0.1:1',                'project',     'environment', 'own-machine'],
  ['http://[::1]:1',                    'project',     'user',        'own-machine'],
  ['http://127.1:1',                    'project',     'user',        'own-machine'],
  ['http://a.localhost',                'project',     'user',        'own-machine'],
  ['http://127.0.0.1:1',                'project',     'project',     'trusted'],
  ['http://127.0.0.1:1',                'environment', 'environment', 'trusted'],
  ['http://api.evolink.ai',             'project',     'environment', 'foreign'],
  ['http://api.evolink.ai',             'environment', 'environment', 'plain-http'],
  ['http://proxy.example',              'project',     'project',     'plain-http'],
  ['http://10.0.0.1',                   'user',        'user',        'plain-http'],
  ['http://0.0.0.0',                    'user',        'user',        'plain-http'],
  ['https://api.evolink.ai:8443',       'project',     'environment', 'foreign'],
  ['https://api.evolink.ai.evil.test',  'project',     'environment', 'foreign'],
  ['https://api.evolink.ai.',           'project',     'environment', 'foreign'],
  ['https://evil-api.evolink.ai',       'project',     'environment', 'foreign'],
  ['https://api.evolink.ai@evil.test',  'project',     'environment', 'foreign'],
  ['http://localhost.evil.test',        'project',     'environment', 'foreign'],
  ['https://proxy.example',             'flag',        'user',        'trusted'],
];

it.each(CASES)('judgeHost: %s (%s) with a key of level %s: %s', (url, urlLevel, keyLevel, verdict) => {
  expect(judgeHost(host(url, urlLevel), keyLevel)).toBe(verdict);
});

describe('trustHosts', () => {
  const evil = host('https://evil.test', 'project');

  it('ignores a foreign host with a warning and takes the next one', () => {
    const user = host('https://gateway.example', 'user');
    const key = { level: 'environment', source: 'EVOLINK_API_KEY' } as const;
    const { baseUrl, warnings } = trustHosts({ baseUrl: [evil, user, BUILT_IN], filesUrl: FILES }, key);
    expect(baseUrl).toBe(user);
    expect(warnings).toEqual([
      'base_url from /repo/.evolinkrc:2 ("https://evil.test") is ignored: a project file must not decide where your API key (EVOLINK_API_KEY) is sent; if you trust that host, set EVOLINK_BASE_URL to it yourself',
    ]);
  });

  it.each(['environment', 'user', 'project'] as const)(
    'sends no key of level %s, but that of a project file, to where such a file says on this machine',
    (level) => {
      const local = host('http://127.0.0.1:4720', 'project');
      const hosts = { baseUrl: [local, BUILT_IN], filesUrl: FILES };
      const { baseUrl, warnings, refusal } = trustHosts(hosts, { level, source: 'KEY' });
      // Never the service instead, which charges.
      expect(baseUrl).toBe(local);
      expect([warnings.length, refusal?.kind]).toEqual(level === 'project' ? [0, undefined] : [1, 'usage']);
      expect(trustHosts(hosts).refusal).toBeUndefined();
    },
  );

  it('treats the upload host alike', () => {
    const key = { level: 'user', source: '/home/me/config.yaml:1' } as const;
    const { filesUrl, warnings } = trustHosts({ baseUrl: [BUILT_IN], filesUrl: [evil, ...FILES] }, key);
    expect([filesUrl, warnings]).toEqual([FILES[0], [expect.stringContaining('EVOLINK_FILES_URL')]]);
  });

  it('is as strict without a key', () => {
    expect(trustHosts({ baseUrl: [evil, BUILT_IN], filesUrl: FILES }).baseUrl).toBe(BUILT_IN);
  });

  it('refuses plain http and says what to write', () => {
    const plain = host('http://gateway.example', 'environment');
    const choose = () => trustHosts({ baseUrl: [plain, BUILT_IN], filesUrl: FILES });
    expect(choose).toThrow(/base_url \(environment\) is "http:\/\/gateway.example": over plain http/);
    expect(choose).toThrow(expect.objectContaining({ kind: 'usage' }));
  });
});
