/** Tells the page's developer on the console what the agent cannot use. */
export function warn(what: string, why: unknown): void {
  console.warn(`Throughline: ${what} is not usable:`, why);
}
