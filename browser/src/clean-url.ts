/** The URL as patterns and timing entries know it: absolute, without user-info and fragment. */
export function cleanUrl(text: string, base?: string): string {
  const url = new URL(text, base);
  // Setting them costs more than all the rest.
  if (/[@#]/.test(url.href)) url.username = url.password = url.hash = "";
  return url.href;
}
