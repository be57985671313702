import { round } from "./round";

/**
 * The named attributes of a timing entry as offsets from its start, under the wire's names (connectStart becomes
 * connect_start). Those that are zero, which means not known or not reached, are left out.
 */
export function phases<Name extends string>(
  entry: { readonly startTime: number } & { readonly [name in Name]?: number },
  names: readonly Name[],
): Record<string, number> {
  const result: Record<string, number> = {};
  for (const name of names) {
    const time: number | undefined = entry[name];
    if (time) result[name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)] = round(time - entry.startTime);
  }
  return result;
}
