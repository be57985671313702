import { defineConfig } from "vitest/config";
import { ENGINES } from "./test/engines/engine";

export default defineConfig({
  test: {
    maxWorkers: 2,
    reporters: ["default", "./test/engine-report.ts"],
    // One suite, once for each engine: `vitest run --project webkit`.
    projects: ENGINES.map((name) => ({
      test: {
        name,
        include: ["test/**/*.test.ts"],
        // One browser serves all files; each test has a fresh profile.
        globalSetup: "test/launch-browser.ts",
        setupFiles: "test/apply-differences.ts",
        testTimeout: 20_000,
        sequence: { shuffle: { files: true, tests: true } },
      },
    })),
  },
});
