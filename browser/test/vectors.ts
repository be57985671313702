import { readFileSync } from "node:fs";

/** One case: its keys, each with the values that it was given, in order. */
export type Vector = Map<string, string[]> & { name: string };

const FOLDER = new URL("../../wire/vectors/", import.meta.url);

/** Keys that every file has. */
const COMMON = ["name", "expect", "comment"];

/** Reads a file of test vectors (wire/vectors/README.md). A key that is not among these is an error. */
export function readVectors(file: string, ...keys: string[]): Vector[] {
  const known = new Set([...COMMON, ...keys]);
  const vectors = readFileSync(new URL(file, FOLDER), "utf8")
    .replace(/^#.*\n/gm, "")
    .split(/\n{2,}/)
    .filter((block) => block.trim())
    .map((block) => {
      const vector = new Map<string, string[]>() as Vector;
      for (const line of block.trim().split("\n")) {
        const [, key = "", text = ""] = /^([^:]*): ?(.*)$/.exec(line) ?? [];
        if (!known.has(key)) throw new Error(`${file}: unknown key in ${JSON.stringify(line)}`);
        vector.set(key, [...(vector.get(key) ?? []), text.startsWith('"') ? JSON.parse(text) : text]);
      }
      vector.name = vector.get("name")?.[0] ?? "";
      return vector;
    });
  if (!vectors.length) throw new Error(`${file}: no vectors`);
  return vectors;
}

/** The value of a key that comes once; empty where the case does not have it. */
export function textOf(vector: Vector, key: string): string {
  return vector.get(key)?.[0] ?? "";
}
