/** Runs soon, but not while the page is busy; at the latest after so long, in ms. */
export function whenIdle(run: () => void, timeout: number): void {
  // Where an engine does not have it: to setTimeout these options are no time at all.
  const soon: typeof requestIdleCallback = self.requestIdleCallback ?? self.setTimeout;
  soon(run, { timeout });
}
