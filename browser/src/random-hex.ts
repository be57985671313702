/** Drawn ahead, since drawing a few bytes costs nearly as much as drawing many. */
let pool = "";

/** Twice as many lower-case hexadecimal digits as bytes, 32 at most, from the system's CSPRNG. */
export function randomHex(bytes: number): string {
  if (pool.length < 64) {
    for (const byte of crypto.getRandomValues(new Uint8Array(512))) pool += (byte + 256).toString(16).slice(1);
  }
  const digits = pool.slice(0, 2 * bytes);
  pool = pool.slice(2 * bytes);
  return digits;
}
