import { round } from "./round";

/** Times of an entry as offsets from its start. Those that are zero, which means not known or not reached, are left out. */
export function phases(entry: PerformanceEntry, names: RegExp): Record<string, number> {
  const result: Record<string, number> = {};
  // What the engine has stands on the prototype.
  for (const name in entry) {
    const time = names.test(name) && entry[name as "startTime"];
    if (time) result[snakeCase(name)] = round(time - entry.startTime);
  }
  return result;
}

const known: Record<string, string> = {};

/** An attribute's name as the wire has it. */
export function snakeCase(name: string): string {
  known[name] ??= name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  return known[name];
}
