// Builds dist/ and fails when a file is over its budget in size-budget.json.
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { brotliCompressSync, gzipSync, constants as zlib } from "node:zlib";
import { build } from "esbuild";

process.chdir(import.meta.dirname);

const { version } = JSON.parse(readFileSync("package.json", "utf8"));

/** Names of internal properties begin with an underscore, so that they can be shortened. */
const shared = {
  bundle: true,
  target: "es2020",
  supported: { "class-field": true }, // web-vitals has some; every engine since Safari 14.1, of 2021, knows them
  mangleProps: /^_/,
  logLevel: "warning",
};

await build({
  ...shared,
  entryPoints: ["src/script.ts"],
  outfile: "dist/throughline.js",
  format: "iife",
  minify: true,
  banner: {
    js: `/*! throughline ${version}, with web-vitals by Google LLC; both Apache-2.0 */`,
  },
});
await build({
  ...shared,
  entryPoints: ["src/index.ts"],
  outfile: "dist/index.js",
  format: "esm",
  packages: "external",
});

const declarations = mkdtempSync(join(tmpdir(), "throughline-"));
try {
  const tsc = join("node_modules", ".bin", "tsc");
  const options = ["--noEmit", "false", "--declaration", "--emitDeclarationOnly", "--outDir", declarations];
  execFileSync(tsc, ["-p", "tsconfig.build.json", ...options], { stdio: "inherit" });
  copyFileSync(join(declarations, "index.d.ts"), "dist/index.d.ts");
} finally {
  rmSync(declarations, { recursive: true });
}

const budgets = JSON.parse(readFileSync("size-budget.json", "utf8"));
for (const [file, budget] of Object.entries(budgets)) {
  const bytes = readFileSync(join("dist", file));
  const sizes = {
    gzip: gzipSync(bytes, { level: 9 }).length,
    brotli: brotliCompressSync(bytes, { params: { [zlib.BROTLI_PARAM_QUALITY]: 11 } }).length,
  };
  console.log(`dist/${file}: ${bytes.length} bytes`);
  for (const [coding, size] of Object.entries(sizes)) {
    const over = size > budget[coding];
    console.log(`  ${coding} ${size} of ${budget[coding]}${over ? ": over the budget" : ""}`);
    if (over) process.exitCode = 1;
  }
}
