// Builds dist/ and fails when an entry is over its budget in size-budget.json.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, gzipSync, constants as zlib } from "node:zlib";
import { build } from "esbuild";
import { minify } from "terser";
import { shortNames } from "./short-names.mjs";

process.chdir(import.meta.dirname);

const banner = "/*! Throughline, web-vitals by Google; Apache-2.0 */\n";

const shared = {
  bundle: true,
  target: "es2021",
  supported: { "class-field": true }, // web-vitals has some; every engine since Safari 14.1, of 2021, knows them, and ES2021
  logLevel: "warning",
};

const nameShort = shortNames(["src/script.ts", "src/index.ts", "src/core.ts", "src/worker.ts"]);

/** Scripts without imports, as small as they can be. They call internal properties by the same names, so they can work together. */
async function scripts(...entries) {
  const bundles = await Promise.all(
    entries.map(async (entry) => {
      const { outputFiles } = await build({ ...shared, format: "iife", ...entry, minifySyntax: true, write: false });
      return outputFiles[0].text;
    }),
  );
  const short = Object.entries(nameShort(bundles.join("\n"))).map(([name, letter]) => [`$${name}`, letter]);
  const names = Object.fromEntries(short);
  const version = createHash("sha256").update(JSON.stringify(names)).digest("hex").slice(0, 6);
  const shrink = async (bundle, i) => {
    const { code } = await minify(bundle.replaceAll("NAMES_VERSION", JSON.stringify(version)), {
      ecma: 2021,
      module: entries[i].format === "esm",
      toplevel: true,
      compress: {
        passes: 4,
        hoist_funs: true,
        inline: 1,
        pure_getters: true,
        unsafe_arrows: true,
        unsafe_methods: true,
      },
      mangle: { toplevel: true, properties: { regex: /^_/ } },
      nameCache: { vars: { props: {} }, props: { props: { ...names } } },
      format: { preamble: "" },
    });
    return code;
  };
  return Promise.all(bundles.map(shrink));
}

/** A script that is nothing but this. */
const text = (contents) => ({ stdin: { contents, resolveDir: "." } });

for (const file of readdirSync("dist")) {
  if (file !== ".gitkeep") rmSync(join("dist", file), { recursive: true });
}
const write = (file, code) => writeFileSync(join("dist", file), banner + code);
const [agent, idle] = await scripts(
  { entryPoints: ["src/script.ts"] },
  { entryPoints: ["src/idle-features.ts"], format: "esm" },
);
write("throughline.js", agent);
write("throughline-idle.js", idle);
const [worker] = await scripts(text(`import * as api from "./src/worker"; self.throughline = { ...api };`));
write("throughline-worker.js", worker);

const entries = ["index", "core", "worker"];
await build({
  ...shared,
  entryPoints: entries.map((entry) => `src/${entry}.ts`),
  outdir: "dist/npm",
  format: "esm",
  splitting: true,
  mangleProps: /^_/,
  define: { NAMES_VERSION: JSON.stringify("npm") },
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

const [core] = await scripts(text(`import { init } from "./src/core"; init({ applicationId: "" });`));
/** What a bundle that uses the package so weighs; and the file that comes when the page is idle. */
const scenarios = {
  "linking core": core,
  everything: readFileSync("dist/throughline.js"),
  "when idle": readFileSync("dist/throughline-idle.js"),
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
