/** Twice as many lower-case hexadecimal digits as bytes, from the system's CSPRNG. */
export function randomHex(bytes: number): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) => (byte + 256).toString(16).slice(1)).join(
    "",
  );
}
