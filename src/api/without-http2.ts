/**
 * What the build puts in the place of got's HTTP/2 module, which makes a TLS context while it is being loaded and so takes
 * longer than all the rest of got. HTTP/2 is off; whoever turns it on must take this away.
 */
const withoutHttp2 = {
  get auto(): never {
    throw new Error('this build has no HTTP/2');
  },
  get globalAgent(): never {
    throw new Error('this build has no HTTP/2');
  },
};

// biome-ignore lint/style/noDefaultExport: got imports the default of the module that this stands in for
export default withoutHttp2;
