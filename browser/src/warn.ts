/** Tells the page's developer on the console. */
export function warn(...message: unknown[]): void {
  console.warn("Throughline:", ...message);
}
