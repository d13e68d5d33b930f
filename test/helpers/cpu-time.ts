/** Seconds of processor time that this process spends on some work: unlike the time on the wall, no matter of how busy the machine is. */
export async function cpuSecondsOf(work: () => unknown): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}
