/** Limit of names, in bytes. */
const MAX_NAME = 256;

/** What a value is as text, cut at so many bytes of UTF-8; half a surrogate pair, which has no such form, becomes U+FFFD. */
export function plainText(value: unknown, max = MAX_NAME): string {
  // A code unit has a byte at least.
  const bytes = new TextEncoder().encode(String(value).slice(0, max));
  // In a stream, a character that is cut at its end is not there yet.
  return new TextDecoder().decode(bytes.subarray(0, max), { stream: true });
}
