// Builds dist/ and fails when an entry is over its budget in size-budget.json.
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, gzipSync, constants as zlib } from "node:zlib";
import { build } from "esbuild";
import { minify } from "terser";
import { shortNames } from "./short-names.mjs";

process.chdir(import.meta.dirname);

const banner = "/*! Throughline, web-vitals (Google LLC); Apache-2.0 */\n";

const shared = {
  bundle: true,
  target: "es2021",
  supported: { "class-field": true }, // web-vitals has some; every engine since Safari 14.1, of 2021, knows them, and ES2021
  logLevel: "warning",
};

const nameShort = shortNames(["src/script.ts", "src/index.ts", "src/core.ts", "src/worker.ts"]);

/** One file without imports, as small as it can be. */
async function script(options) {
  const { outputFiles } = await build({ ...shared, ...options, minifySyntax: true, write: false });
  const [{ text: bundle }] = outputFiles;
  const short = Object.entries(nameShort(bundle)).map(([name, letter]) => [`$${name}`, letter]);
  const { code } = await minify(bundle, {
    ecma: 2021,
    module: options.format === "esm",
    toplevel: true,
    compress: { passes: 4, pure_getters: true, unsafe_arrows: true, unsafe_methods: true },
    mangle: { toplevel: true, properties: { regex: /^_/ } },
    nameCache: { vars: { props: {} }, props: { props: Object.fromEntries(short) } },
    format: { preamble: "" },
  });
  return code;
}

/** A script that is nothing but this. */
const text = (contents) => ({ stdin: { contents, resolveDir: "." }, format: "iife" });

for (const file of readdirSync("dist")) {
  if (file !== ".gitkeep") rmSync(join("dist", file), { recursive: true });
}
const scripts = {
  "throughline.js": { entryPoints: ["src/script.ts"], format: "iife" },
  "throughline-worker.js": text(`import * as api from "./src/worker"; self.throughline = { ...api };`),
  "throughline-vitals.js": { entryPoints: ["src/attribute-vitals.ts"], format: "esm" },
};
for (const [file, options] of Object.entries(scripts)) {
  writeFileSync(join("dist", file), banner + (await script(options)));
}

const entries = ["index", "core", "worker"];
await build({
  ...shared,
  entryPoints: entries.map((entry) => `src/${entry}.ts`),
  outdir: "dist/npm",
  format: "esm",
  splitting: true,
  mangleProps: /^_/,
  packages: "external",
});
const tsc = join("node_modules", ".bin", "tsc");
const declarations = ["--noEmit", "false", "--declaration", "--emitDeclarationOnly", "--outDir", "dist/npm"];
execFileSync(tsc, ["-p", "tsconfig.build.json", ...declarations], { stdio: "inherit" });

// What the features see of the agent is nobody else's, so the package declares it no further.
const opaque = `/** The agent at work, as its features see it. */
export interface Agent {
    readonly _: never;
}
/** A part of the agent that it can do without. */
export type Feature = (agent: Agent) => void;
`;
const reached = new Set();
/** Keeps the declarations of this module and of those that it names, by their full names, as Node.js wants it. */
function declare(module) {
  if (reached.has(module)) return;
  reached.add(module);
  const file = `dist/npm/${module}.d.ts`;
  const declared = module === "start-agent" ? opaque : readFileSync(file, "utf8");
  const named = declared.replace(/ from "\.\/(.+?)"/g, (_, other) => {
    declare(other);
    return ` from "./${other}.js"`;
  });
  writeFileSync(file, named);
}
for (const entry of entries) declare(entry);
for (const file of readdirSync("dist/npm")) {
  if (file.endsWith(".d.ts") && !reached.has(file.slice(0, -5))) rmSync(join("dist/npm", file));
}

/** What a bundle that uses the package so weighs. */
const scenarios = {
  "linking core": await script(text(`import { init } from "./src/core"; init({ applicationId: "" });`)),
  everything: readFileSync("dist/throughline.js"),
};
const budgets = JSON.parse(readFileSync("size-budget.json", "utf8"));
for (const [scenario, code] of Object.entries(scenarios)) {
  const bytes = Buffer.from(code);
  const sizes = {
    gzip: gzipSync(bytes, { level: 9 }).length,
    brotli: brotliCompressSync(bytes, { params: { [zlib.BROTLI_PARAM_QUALITY]: 11 } }).length,
  };
  console.log(`${scenario}: ${bytes.length} bytes`);
  for (const [coding, size] of Object.entries(sizes)) {
    const budget = budgets[scenario][coding];
    const over = size > budget;
    console.log(`  ${coding} ${size} of ${budget}${over ? ": over the budget" : ""}`);
    if (over) process.exitCode = 1;
  }
}
