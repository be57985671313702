/** Runs soon, but not while the page is busy; at the latest after so long, in ms. */
export function whenIdle(run: () => void, timeout: number): void {
  // Not every engine has it.
  const { requestIdleCallback } = self as { requestIdleCallback?: typeof self.requestIdleCallback };
  if (requestIdleCallback) requestIdleCallback(run, { timeout });
  else setTimeout(run);
}
