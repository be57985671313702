/** The URL as patterns and timing entries know it: absolute, without user-info and fragment. */
export function cleanUrl(text: string, base?: string): string {
  // Setting the parts of a URL would cost more than all the rest.
  return new URL(text, base).href.replace(/^([^/]+\/\/)[^/?#]*@|#.*/g, "$1");
}
