import { describe, expect, it } from 'vitest';
import { toApiKey } from '../../../src/config/api-key.ts';
import { configDocument, describeConfig } from '../../../src/config/describe.ts';
import { resolveConfig } from '../../../src/config/resolve.ts';

const { settings } = resolveConfig({ env: { EVOLINK_TIMEOUT: '90m', EVOLINK_MAX_SIZE: '2GiB' } });
const KEY = toApiKey('sk-canary-0123456789', { level: 'environment', source: 'EVOLINK_API_KEY' });

function row(key: string, rows = describeConfig(settings, { apiKey: KEY })) {
  return rows.find((other) => other.key === key);
}

describe('describeConfig', () => {
  it('shows values as people write them, with their source', () => {
    expect(row('timeout')).toEqual({
      key: 'timeout',
      text: '1h30m',
      value: 5_400_000,
      level: 'environment',
      source: 'EVOLINK_TIMEOUT',
    });
    expect(row('max_size')?.text).toBe('2GiB');
    expect(row('min_speed')).toMatchObject({ text: '10KiB/s', level: 'built-in' });
    expect(row('model')).toEqual({ key: 'model', text: '', value: null, level: 'none', source: 'not set' });
  });

  it('masks the key', () => {
    expect(row('api_key')).toEqual({
      key: 'api_key',
      text: '…6789',
      value: '…6789',
      level: 'environment',
      source: 'EVOLINK_API_KEY',
    });
    expect(
      row(
        'api_key',
        describeConfig(settings, {
          place: { ...KEY, read: () => Promise.reject(new Error('read')) },
        }),
      )?.text,
    ).toBe('***');
    expect(row('api_key', describeConfig(settings))).toMatchObject({ value: null, source: 'not set' });
  });

  it('gives a document that survives JSON and holds no secret', () => {
    const document = configDocument(describeConfig(settings, { apiKey: KEY }), {
      project: '/work/.evolinkrc',
    });
    expect(document).toMatchObject({
      schema_version: 1,
      kind: 'evolink.config',
      files: { project: '/work/.evolinkrc', user: null },
    });
    expect(JSON.parse(JSON.stringify(document))).toEqual(document);
    expect(JSON.stringify(document)).not.toContain('canary');
  });
});

describe('toApiKey', () => {
  it('shows no secret when printed', () => {
    expect(JSON.stringify(KEY)).not.toContain('canary');
    expect(String(Object.values(KEY))).not.toContain('canary');
  });
});
