/** Something that a test waits for until it is fired. */
export function makeSignal() {
  let fire = () => {};
  const seen = new Promise<void>((resolve) => {
    fire = resolve;
  });
  return { seen, fire };
}
