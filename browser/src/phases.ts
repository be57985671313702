import { round } from "./round";

/** The attributes of an entry's class whose names match, each with its name on the wire: connectStart, connect_start. */
export function attributesOf(entry: object, names: RegExp): [name: string, wire: string][] {
  const found: [string, string][] = [];
  // What the engine has stands on the prototype.
  for (const name in entry) if (names.test(name)) found.push([name, snakeCase(name)]);
  return found;
}

/** Times of an entry as offsets from its start. Those that are zero, which means not known or not reached, are left out. */
export function phases(entry: PerformanceEntry, names: [name: string, wire: string][]): Record<string, number> {
  const result: Record<string, number> = {};
  for (const [name, wire] of names) {
    const time = (entry as unknown as Record<string, number>)[name];
    if (time) result[wire] = round(time - entry.startTime);
  }
  return result;
}

/** An attribute's name as the wire has it. */
function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
