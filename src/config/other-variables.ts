/** The variables that are no settings, in the order in which they are looked at. */
export const OTHER_VARIABLES = [
  { name: 'EVOLINK_API_KEY_FILE', description: 'file that holds the API key and nothing else' },
  { name: 'EVOLINK_CONFIG', description: 'user config to read instead of the usual one' },
  { name: 'EVOLINK_SANDBOX', description: '1 = as --sandbox' },
] as const;
