import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: "test/launch-browser.ts",
    // One Chromium serves all files; each test has its own context, which is a fresh profile.
    maxWorkers: 2,
    testTimeout: 20_000,
    sequence: { shuffle: { files: true, tests: true } },
  },
});
