import { expect, it } from 'vitest';
import { readConfig } from '../../../src/config/config-file.ts';
import { mergeSettings } from '../../../src/config/load.ts';
import { formatProblem } from '../../../src/request/problems.ts';

function read(text: string, level: 'project' | 'user' = 'user') {
  const file = readConfig('/p/.evolinkrc', level, text);
  const merged = mergeSettings({ env: {}, files: [file] });
  return [...file.problems, ...merged.problems].map(formatProblem);
}

// biome-ignore format: one row a mistake
/** What is written, line and column of the first problem, and a part of its message. */
const BAD = [
  { text: 'timeuot: 30m', at: 'timeuot (/p/.evolinkrc:1:1)', says: 'did you mean timeout?' },
  { text: 'baseUrl: https://x.example', at: 'baseUrl (/p/.evolinkrc:1:1)', says: 'did you mean base_url?' },
  { text: 'tier: Fast', at: 'tier (/p/.evolinkrc:1:7) "Fast"', says: 'did you mean fast?' },
  { text: 'duration: 3', at: 'duration (/p/.evolinkrc:1:11) "3"', says: 'from 4 to 15' },
  { text: 'generate_audio: yes', at: 'generate_audio (/p/.evolinkrc:1:17) "yes"', says: 'did you mean true?' },
  { text: 'content_filter: "false"', at: 'content_filter (/p/.evolinkrc:1:17)', says: 'did you mean false?' },
  { text: 'callback_url: http://x.example/', at: 'callback_url (/p/.evolinkrc:1:15)', says: 'full URL' },
  { text: 'base_url: api.evolink.ai', at: 'base_url (/p/.evolinkrc:1:11)', says: 'full URL' },
  { text: 'base_url: https://u:pw1@x.example', at: 'base_url (/p/.evolinkrc:1:11) "https://***@x.example"', says: 'without user name' },
  { text: 'base_url: https://x.example/?a=1', at: 'base_url (/p/.evolinkrc:1:11)', says: 'query' },
  { text: 'base_url: "https:\\\\x.example"', at: 'base_url (/p/.evolinkrc:1:11)', says: 'full URL' },
  { text: 'timeout: 30', at: 'timeout (/p/.evolinkrc:1:10) "30"', says: 'did you mean 30s?' },
  { text: 'timeout: 8d', at: 'timeout (/p/.evolinkrc:1:10) "8d"', says: 'at most 7d' },
  { text: 'max_credits: -1', at: 'max_credits (/p/.evolinkrc:1:14) "-1"', says: '0 or more' },
  { text: 'max_credits: .inf', at: 'max_credits (/p/.evolinkrc:1:14)', says: 'a number of credits' },
  { text: 'max_size: 0', at: 'max_size (/p/.evolinkrc:1:11) "0"', says: 'at least 1 bytes' },
  { text: 'concurrency: 0', at: 'concurrency (/p/.evolinkrc:1:14) "0"', says: 'from 1 to 64' },
  { text: 'prices:\n  - {tier: fast, quality: 720p, with_video: -1}', at: 'prices (/p/.evolinkrc:2:3)', says: '0 or more' },
  { text: 'prices:\n  - {tier: fast, quality: 720p}', at: 'prices (/p/.evolinkrc:2:3)', says: 'at least one of the two' },
  { text: 'tier:', at: 'tier (/p/.evolinkrc:1:6)', says: 'has no value' },
  { text: 'state_dir: /x', at: 'state_dir (/p/.evolinkrc:1:1)', says: 'set EVOLINK_STATE_DIR' },
  { text: 'api_key_command: pass show x', at: 'api_key_command (/p/.evolinkrc:1:18)', says: 'a list of arguments' },
  { text: 'api_key_command: []', at: 'api_key_command (/p/.evolinkrc:1:18)', says: 'a list of arguments' },
  { text: 'tier: fast\ntier: mini', at: 'tier (/p/.evolinkrc:2:1)', says: 'is given twice' },
  { text: '<<: {tier: fast}', at: '<< (/p/.evolinkrc:1:1)', says: 'merge keys' },
  { text: '__proto__: {a: 1}', at: '__proto__ (/p/.evolinkrc:1:1)', says: 'is not allowed as a key' },
  { text: 'tier: !env TIER', at: '/p/.evolinkrc:1:7', says: 'tag that is not supported' },
  { text: 'tier: fast\n---\ntier: mini', at: '/p/.evolinkrc:2:1', says: 'more than one document' },
  { text: '%YAML 1.1\n---\ntier: fast', at: '/p/.evolinkrc:1:1', says: 'only YAML 1.2' },
  { text: 'a:\n\ttier: fast', at: '/p/.evolinkrc:2:1', says: 'tabs are not allowed' },
  { text: 'tier: "fast', at: '/p/.evolinkrc:1:12', says: 'closing quote' },
  { text: 'output: "\\q"', at: '/p/.evolinkrc:1:10', says: 'escape sequence' },
  { text: 'just text', at: '/p/.evolinkrc:1:1', says: 'key: value' },
];

it.each(BAD)('refuses $text', ({ text, at, says }) => {
  const [line = ''] = read(text);
  expect(line.replace(/\) ".*?": /, '): ').startsWith(`${at.replace(/\) ".*"$/, ')')}: `), line).toBe(true);
  expect(line).toContain(at);
  expect(line).toContain(says);
});

it('refuses a key command in a project file, and says where it belongs', () => {
  const [line] = read('api_key_command: [rm, -rf, /]', 'project');
  expect(line).toMatch(/^api_key_command \(.*:1:1\): is not allowed in a project file.*user config$/);
});

it.each([
  'api_key: [sk-canary]',
  'api_key: {sk-canary: 1}',
  'api_key: sk-canary: x',
  'api_key_command: echo sk-canary',
  'apikey: sk-canary',
  'sk-canary',
  'api_key: "sk-canary',
  'api_key=sk-canary',
  '[sk-canary',
])('never repeats what may be a key: %s', (text) => {
  const lines = read(text);
  expect(lines.length).toBeGreaterThan(0);
  expect(lines.join('\n')).not.toContain('canary');
});
