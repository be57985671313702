import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { afterAll, beforeAll, expect, test } from "vitest";
import manifest from "../package.json";

// The npm package as it is built: what is in it, what it exports, what bundlers and TypeScript make of it.

const root = fileURLToPath(new URL("..", import.meta.url));
/** A project that has the package and web-vitals installed. */
let project: string;

beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), "throughline-"));
  const modules = join(project, "node_modules");
  const installed = join(modules, "@throughline", "browser");
  mkdirSync(join(installed, ".."), { recursive: true });
  cpSync(join(root, "dist"), join(installed, "dist"), { recursive: true });
  cpSync(join(root, "package.json"), join(installed, "package.json"));
  symlinkSync(join(root, "node_modules", "web-vitals"), join(modules, "web-vitals"));
});
afterAll(() => rmSync(project, { recursive: true, force: true }));

/** Bundles a module of the project; its chunks by name. */
async function bundle(contents: string): Promise<Record<string, string>> {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: project },
    bundle: true,
    splitting: true,
    format: "esm",
    outdir: join(project, "out"),
    write: false,
    logLevel: "silent",
  });
  return Object.fromEntries(outputFiles.map(({ path, text }) => [relative(join(project, "out"), path), text]));
}

/** Of each feature something that only its code says. */
const FEATURES = {
  consent: "globalPrivacyControl",
  compression: "CompressionStream",
  "deferred beacons": "fetchLater",
  offline: "createObjectStore",
  workers: "BroadcastChannel",
  views: "startView",
  actions: "pointerType",
  errors: "unhandledrejection",
  "long frames": "long_frame",
  "web vitals": "largest-contentful-paint",
  users: "user_agent.synthetic.type",
};

test("the core alone brings no feature's code, and no web-vitals", async () => {
  const chunks = await bundle(`import { init } from "@throughline/browser/core"; init({ applicationId: "" });`);
  const code = Object.values(chunks).join("\n");
  expect(code).toContain("traceparent");
  for (const [feature, mark] of Object.entries(FEATURES)) expect(code, feature).not.toContain(mark);
});

test("the core with one feature brings this one alone", async () => {
  const chunks = await bundle(
    `import { init, compressBeacons, addEvent } from "@throughline/browser/core"; init({ applicationId: "" }, [compressBeacons]); addEvent("a");`,
  );
  const code = Object.values(chunks).join("\n");
  expect(code).toContain(FEATURES.compression);
  expect(code).not.toContain(FEATURES.offline);
});

/** Those that come when the page is idle. */
const IDLE = ["compression", "offline", "workers", "long frames"];

test("everything brings all of them, what can wait in a chunk of its own", async () => {
  const chunks = await bundle(`import { init } from "@throughline/browser"; init({ applicationId: "" });`);
  const [idle = ""] = Object.keys(chunks).filter((name) => name.startsWith("idle-features"));
  /** What comes with a chunk: itself, and the chunks that it imports from the beginning. */
  const withImports = (name: string, seen = new Set<string>()): string => {
    if (seen.has(name)) return "";
    seen.add(name);
    const code = chunks[name] ?? "";
    const imported = [...code.matchAll(/^import[^;]*"\.\/(.+?)"/gm)].map(([, other = ""]) => withImports(other, seen));
    return code + imported.join("\n");
  };
  const main = withImports("stdin.js");
  for (const [feature, mark] of [...Object.entries(FEATURES), ["attribution", "resource_load_delay"] as const]) {
    expect(withImports(idle) + main, feature).toContain(mark);
    if (feature === "attribution" || IDLE.includes(feature)) expect(main, feature).not.toContain(mark);
    else expect(main, feature).toContain(mark);
  }
  expect(main).toMatch(/import\("\.\/idle-features/);
});

test("vite keeps what can wait in a chunk of its own", async () => {
  const { build: viteBuild } = await import("vite");
  writeFileSync(join(project, "main.js"), `import { init } from "@throughline/browser"; init({ applicationId: "" });`);
  await viteBuild({
    root: project,
    configFile: false,
    logLevel: "silent",
    resolve: { preserveSymlinks: true },
    build: { outDir: "vite", rollupOptions: { input: join(project, "main.js") } },
  });
  const chunks = readdirSync(join(project, "vite", "assets")).map((name) => [
    name,
    readFileSync(join(project, "vite", "assets", name), "utf8"),
  ]);
  const [main] = chunks.filter(([name]) => name?.startsWith("main"));
  const [idle] = chunks.filter(([name]) => name?.startsWith("idle-features"));
  expect(main?.[1]).toContain("unhandledrejection");
  expect(main?.[1]).not.toContain("resource_load_delay");
  expect(idle?.[1]).toContain("resource_load_delay");
});

const CONSUMER = `
import { addEvent, flush, getTraceHeaders, init, type Options, startAction } from "@throughline/browser";
import { compressBeacons, type Feature, filterEvents, init as initCore } from "@throughline/browser/core";
import { init as initWorker } from "@throughline/browser/worker";

const options: Options = {
  applicationId: "745a78fe5b6e57f6",
  crossOriginUrlPattern: ({ url }) => url.startsWith("https://api.example"),
  beforeSend: (event) => (event.type === "error" ? false : event),
};
init(options);
initWorker(options);
const features: Feature[] = [compressBeacons, filterEvents(() => undefined)];
initCore({ applicationId: "745a78fe5b6e57f6" }, features);
addEvent("bought", { items: 3 });
startAction("buy").end();
export const headers: Record<string, string> = getTraceHeaders("/api");
export const done: Promise<void> = flush();
// @ts-expect-error an option that is misspelt
init({ applicationId: "", propagations: false });
// @ts-expect-error a name is text
addEvent(1);
`;

test.for([
  ["esnext", "bundler"],
  ["node16", "node16"],
  ["nodenext", "nodenext"],
])("its types serve module %s with resolution %s", ([module = "", moduleResolution = ""]) => {
  writeFileSync(join(project, "package.json"), `{ "type": "module" }`);
  writeFileSync(join(project, "consumer.ts"), CONSUMER);
  const compilerOptions = {
    module,
    moduleResolution,
    target: "es2020",
    lib: ["es2020", "dom"],
    types: [],
    strict: true,
    noEmit: true,
  };
  writeFileSync(join(project, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["consumer.ts"] }));
  const tsc = join(root, "node_modules", ".bin", "tsc");
  let said = "";
  try {
    execFileSync(tsc, ["-p", project], { encoding: "utf8" });
  } catch (error) {
    said = (error as { stdout: string }).stdout;
  }
  expect(said).toBe("");
});

test("what it packs is there, and there is nothing else", () => {
  const packed = JSON.parse(execFileSync("npm", ["pack", "--dry-run", "--json"], { cwd: root, encoding: "utf8" }));
  const files: string[] = (Array.isArray(packed) ? packed[0] : Object.values(packed)[0]).files.map(
    ({ path }: { path: string }) => path,
  );
  const named = Object.values(manifest.exports).flatMap((target) =>
    typeof target === "string" ? [target] : Object.values(target),
  );
  for (const path of [...named, manifest.main, manifest.types]) expect(files).toContain(path.slice(2));
  const expected = /^(package\.json|README\.md|dist\/throughline(-\w+)?\.js|dist\/npm\/[\w-]+\.(js|d\.ts))$/;
  expect(files.filter((path) => !expected.test(path))).toEqual([]);
  for (const path of files) expect(existsSync(join(root, path)), path).toBe(true);
});

test("the public API is as export-surface.txt has it", async () => {
  await expect(surface()).toMatchFileSnapshot("../export-surface.txt");
});

/** The declarations of all that the package exports: of each entry those of its own, and the names that it hands on. */
function surface(): string {
  const declarations = readdirSync(join(root, "dist", "npm")).filter((name) => name.endsWith(".d.ts"));
  const parts = declarations.sort().map((name) => {
    const text = readFileSync(join(root, "dist", "npm", name), "utf8");
    const code = text.replace(/\/\*\*[\s\S]*?\*\/|^import .*$/gm, "").replace(/\n\s*\n/g, "\n");
    return `# ${name}\n${code.trim()}\n`;
  });
  return parts.join("\n");
}

test("every public name says what it is for", () => {
  for (const name of readdirSync(join(root, "dist", "npm")).filter((file) => file.endsWith(".d.ts"))) {
    const text = readFileSync(join(root, "dist", "npm", name), "utf8");
    const bare = [...text.matchAll(/(?<!\*\/\n)^export (?:declare )?(?:function|const|interface|type|class) (\w+)/gm)];
    expect(
      bare.map(([, bareName]) => bareName),
      name,
    ).toEqual([]);
  }
});
