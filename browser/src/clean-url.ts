/** The URL as patterns and timing entries know it: absolute, without user-info and fragment. */
export function cleanUrl(text: string, base?: string): string {
  // A good deal quicker than to set the parts of a URL.
  return new URL(text, base).href.replace(/^([^/]+\/\/)[^/?#]*@|#.*/g, "$1");
}
