/** Limit of url.full, in bytes. */
const MAX_LENGTH = 8192;

/** The URL as events tell it: without user-info, fragment and, of a data: URL, the data. */
export function cleanUrl(url: string | URL): string {
  const clean = new URL(url);
  clean.username = clean.password = clean.hash = "";
  return clean.href
    .replace(/^(data:[^,]*,).*/s, "$1")
    .replace(/ /g, "%20")
    .slice(0, MAX_LENGTH);
}
