/** The version of Node.js that runs this, `20.19.0`. */
export function nodeVersion(): string {
  return process.versions.node;
}
