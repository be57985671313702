import { basename } from "node:path";
import { afterEach, beforeEach, inject, type RunnerTestCase } from "vitest";
import { type Difference, differenceOf } from "./differences";

declare module "vitest" {
  interface TaskMeta {
    /** What becomes of the test in this engine: see differences.ts. */
    difference?: "fails" | "cannot run";
  }
}

beforeEach(({ task, skip }) => {
  const difference = find(task);
  if (!difference) return;
  task.meta.difference = difference.fails ? "fails" : "cannot run";
  if (difference.fails) Object.assign(task, { fails: true });
  else skip(difference.what);
});

// Only the failure that is listed is forgiven.
afterEach(({ task }) => {
  const fails = find(task)?.fails;
  const failed = task.result?.errors ?? [];
  if (fails && failed.length > 0 && !failed.some((error) => fails.test(error.message)))
    Object.assign(task, { fails: false });
});

function find(task: Readonly<RunnerTestCase>): Difference | undefined {
  return differenceOf(inject("engine").name, basename(task.file.filepath), task.fullTestName);
}
