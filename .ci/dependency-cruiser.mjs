/** The rooms of the house, from the top down: a room imports from lower rows, and from its own row. */
const ROWS = [
  ['main'],
  ['cli'],
  ['run', 'report', 'ui', 'sandbox'],
  ['task'],
  ['media', 'download'],
  ['api'],
  ['config'],
  ['request'],
  ['platform'],
  ['errors'],
];

const below = (rooms) => `^src/(${rooms.join('|')})(/|\\.ts$)`;

const arrows = ROWS.slice(1).map((rooms, index) => ({
  name: `arrows-${rooms.join('-')}`,
  comment: `${rooms.join(', ')} know nothing of what stands above`,
  severity: 'error',
  from: { path: below(rooms) },
  to: { path: below(ROWS.slice(0, index + 1).flat()) },
}));

/** Packages that belong to one place. */
const OWNERS = {
  got: '^src/api/',
  hpagent: '^src/api/',
  commander: '^src/cli/',
  chalk: '^src/ui/',
  ora: '^src/ui/',
  'cli-progress': '^src/ui/',
  yaml: '^src/config/',
  ajv: '^src/sandbox/',
  'h264-mp4-encoder': '^src/sandbox/video/',
};

const owners = Object.entries(OWNERS).map(([name, place]) => ({
  name: `only-place-of-${name}`,
  severity: 'error',
  from: { path: '^src/', pathNot: place },
  to: { path: `^node_modules/${name}/` },
}));

export default {
  forbidden: [
    { name: 'no-circles', severity: 'error', from: { path: '^src/' }, to: { circular: true } },
    ...arrows,
    ...owners,
    {
      name: 'sandbox-for-commands-only',
      comment: 'the sandbox stands in for the service: only commands start it',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(sandbox|cli)/' },
      to: { path: '^src/sandbox/' },
    },
    {
      name: 'reporters-do-not-ask',
      comment: 'what is shown comes from events and results, never from the service',
      severity: 'error',
      from: { path: '^src/(ui|report)/' },
      to: { path: '^src/api/' },
    },
    {
      name: 'request-is-pure',
      severity: 'error',
      from: { path: '^src/request/' },
      to: { dependencyTypes: ['core'], pathNot: '^(node:)?(crypto|path|util|url|net)$' },
    },
    { name: 'nothing-unresolved', severity: 'error', from: { path: '^src/' }, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
    moduleSystems: ['es6'],
  },
};
