/** Every environment variable that is read, in order of what a person needs first. */
export const ENVIRONMENT: readonly { readonly name: string; readonly description: string }[] = [
  { name: 'EVOLINK_API_KEY', description: 'the API key' },
  { name: 'EVOLINK_API_KEY_FILE', description: 'a file that holds the API key (0600)' },
  { name: 'EVOLINK_BASE_URL', description: 'where the API is (default https://api.evolink.ai)' },
  { name: 'EVOLINK_FILES_URL', description: 'where uploads go (default https://files-api.evolink.ai)' },
  { name: 'EVOLINK_CONFIG', description: 'the user config file, instead of the usual place' },
  { name: 'EVOLINK_STATE_DIR', description: 'where the records of paid tasks are kept' },
  { name: 'EVOLINK_SANDBOX', description: '1 = use the built-in sandbox' },
  {
    name: 'EVOLINK_<SETTING>',
    description: 'any setting of the config: EVOLINK_QUALITY, EVOLINK_TIMEOUT, …',
  },
  { name: 'HTTPS_PROXY, HTTP_PROXY', description: 'proxy for all requests; lower case wins over upper case' },
  { name: 'NO_PROXY', description: 'hosts that are reached without the proxy' },
  { name: 'NODE_EXTRA_CA_CERTS', description: "file of further certificate authorities (Node's own)" },
  { name: 'NO_COLOR, FORCE_COLOR', description: 'no colours, colours; --no-color wins over both' },
  { name: 'CI', description: 'set: no bars and spinners' },
  {
    name: 'XDG_CONFIG_HOME',
    description: 'and XDG_STATE_HOME, XDG_CACHE_HOME: where config, state and cache are',
  },
  {
    name: 'EVOLINK_INTERNAL_CLOCK_RATE',
    description: 'for tests: how much faster than the wall the inner clock runs',
  },
];
