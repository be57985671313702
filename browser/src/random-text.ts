/**
 * So many of the letters A to Z, from the system's CSPRNG. A 32-bit number taken modulo 26 is uneven by less than one in a
 * hundred million.
 */
export function randomText(length: number): string {
  return String.fromCharCode(...crypto.getRandomValues(new Uint32Array(length)).map((n) => 65 + (n % 26)));
}
