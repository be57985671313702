import { describe, expect, test } from "vitest";
import { didItsWork } from "../bench/did-its-work";
import type { Figure } from "../bench/figures";
import { insert } from "../bench/insert";
import { summarize } from "../bench/summarize";
import { table } from "../bench/table";

const TIME: Figure = { key: "time", title: "time", unit: "ms", overBare: true, run: "sequential", compared: true };
const SIZE: Figure = { key: "size", title: "size", unit: "bytes", overBare: false, compared: true };
const everybody = () => true;

describe("what the comparison of agents makes of its measurements", () => {
  test("the bare page is taken off round by round, and the median told with the spread", () => {
    const [row] = summarize([TIME], { bare: { time: [10, 20, 30] }, ours: { time: [11, 25, 32] } }, everybody);
    expect(row?.spreads).toEqual({ ours: { median: 2, least: 1, most: 5 } });
  });

  test("of two rounds, the median lies in the middle", () => {
    const [row] = summarize([SIZE], { ours: { size: [4, 1] } }, everybody);
    expect(row?.spreads.ours?.median).toBe(2.5);
  });

  test("ours is compared with the best rival", () => {
    const samples = { bare: { size: [0] }, ours: { size: [30] }, one: { size: [100] }, other: { size: [60] } };
    expect(summarize([SIZE], samples, everybody)).toMatchObject([{ best: "other", ratio: 0.5 }]);
  });

  test("an agent that did not do its work is shown, and not compared", () => {
    const samples = { ours: { size: [30] }, one: { size: [100] }, idle: { size: [1] } };
    const [row] = summarize([SIZE], samples, (id) => id !== "idle");
    expect(row).toMatchObject({ best: "one", ratio: 0.3, spreads: { idle: { median: 1 } } });
    const [none] = summarize([SIZE], samples, (id) => id !== "ours");
    expect(none?.ratio).toBeUndefined();
  });

  test.each([
    ["all was linked and told", { linked: 200, mentioned: 200 }, true],
    ["one in a hundred was not told", { linked: 200, mentioned: 198 }, true],
    ["more was not told", { linked: 200, mentioned: 197 }, false],
    ["one was not linked", { linked: 199, mentioned: 200 }, false],
  ])("work is done where %s: %#", (_, seen, done) => {
    expect(didItsWork({ requests: 200, beacons: 1, refused: new Set(), ...seen })).toBe(done);
  });

  test("its tables replace those of the last run, and nothing else of the document", () => {
    const document = (text: string) =>
      `# Benchmarks\n<!-- bench: begin -->\nspans\n<!-- bench: end -->\n<!-- bench-agent: begin -->${text}<!-- bench-agent: end -->\nend\n`;
    expect(insert(document("\n\nold\n\n"), "new\n")).toBe(document("\n\nnew\n\n"));
    expect(() => insert("# Benchmarks", "new")).toThrow("markers");
  });

  test("the columns of a table stand below each other", () => {
    expect(
      table([
        ["a", "long"],
        ["longer", "b"],
      ]),
    ).toBe("| a      | long |\n|--------|------|\n| longer | b    |\n");
  });
});
