/** Browsers measure to 0.1 ms at best on most pages; more digits would only cost bytes. */
export function round(ms: number): number {
  return Math.round(ms * 10) / 10;
}
