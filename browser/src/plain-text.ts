/** Limit of names, in bytes. */
const MAX_NAME = 256;

/** What a value is as text, cut at so many bytes of UTF-8; no character is cut in two. */
export function plainText(value: unknown, max = MAX_NAME): string {
  const text = String(value);
  return text.slice(0, new TextEncoder().encodeInto(text, new Uint8Array(max)).read);
}
