import { basename } from "node:path";
import type { Reporter, TestCase, TestModule } from "vitest/node";
import { DIFFERENCES, differencesTable } from "./differences";

/** Prints a line for each engine at the end, and the known differences; an entry of theirs that no test has is an error. */
export default class EngineReport implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const engines = new Map<string, TestModule[]>();
    for (const module of modules)
      engines.set(module.project.name, [...(engines.get(module.project.name) ?? []), module]);
    for (const [name, files] of engines) console.log(lineOf(name, files));
    if (engines.size > 1) console.log(`\n${differencesTable()}`);
    for (const entry of DIFFERENCES) {
      const file = engines.get(entry.engine)?.find(({ moduleId }) => basename(moduleId) === entry.file);
      if (!file || [...file.children.allTests()].some((test) => entry.test.test(test.fullName))) continue;
      console.log(`No test of ${entry.file} is the difference ${entry.test} of ${entry.engine}.`);
      process.exitCode = 1;
    }
  }
}

function lineOf(name: string, files: TestModule[]): string {
  const tests = files.flatMap((file) => [...file.children.allTests()]);
  const count = (matches: (test: TestCase) => boolean) => tests.filter(matches).length;
  const is = (state: string, difference?: string) =>
    count((test) => test.result().state === state && test.meta().difference === difference);
  const version = files[0]?.project.getProvidedContext().engine.version;
  return [
    `${name} ${version}: ${is("passed")} passed`,
    `${is("passed", "fails")} fail there as listed`,
    `${is("skipped", "cannot run")} cannot run there`,
    `${count((test) => test.result().state === "failed")} failed`,
  ].join(", ");
}
