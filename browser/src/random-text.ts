/**
 * Text of the given length over the alphabet, from the system's CSPRNG. A 32-bit number taken modulo a short alphabet
 * is uneven by less than one in a hundred million.
 */
export function randomText(length: number, alphabet: string): string {
  return Array.from(crypto.getRandomValues(new Uint32Array(length)), (n) => alphabet[n % alphabet.length]).join("");
}
