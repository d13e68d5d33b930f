/** Our variables that are no settings, in the order in which they are looked at. */
export const OTHER_VARIABLES = [
  { name: 'EVOLINK_API_KEY_FILE', description: 'file that holds the API key and nothing else (mode 0600)' },
  { name: 'EVOLINK_CONFIG', description: 'user config to read instead of the usual one' },
  { name: 'EVOLINK_SANDBOX', description: '1: as --sandbox' },
  { name: 'EVOLINK_SANDBOX_FAULTS', description: 'faults of that sandbox: see `evolink help faults`' },
  {
    name: 'EVOLINK_INTERNAL_CLOCK_RATE',
    description: 'for tests: how much faster than the wall the inner clock runs',
  },
] as const;
