import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { DIFFERENCES, differencesTable } from "./differences";

test("docs/browsers.md has the table of differences", () => {
  expect(readFileSync(new URL("../../docs/browsers.md", import.meta.url), "utf8")).toContain(differencesTable());
});

test.each([...new Set(DIFFERENCES.map(({ file }) => file))])("%s is a test file", (file) => {
  expect(existsSync(new URL(file, import.meta.url))).toBe(true);
});
