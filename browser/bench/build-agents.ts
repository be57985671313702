import { readFileSync } from "node:fs";
import { join } from "node:path";
import { brotliCompressSync, constants as zlib } from "node:zlib";
import { build } from "esbuild";

export interface Agent {
  /** Also the name of its page's host. */
  id: "bare" | "ours" | "elastic" | "faro" | "opentelemetry" | "datadog";
  name: string;
  /** Packages with their versions, as they were installed. */
  versions: string;
  /** Undefined: a page without any agent. */
  script?: Buffer;
  /** Of the script element. */
  attributes?: string;
  /** A second script, which the first loads. */
  later?: Buffer;
  /** Transferred size of the script. */
  brotli: number;
}

const RIVALS = [
  { id: "elastic", name: "Elastic RUM", packages: ["@elastic/apm-rum"] },
  { id: "faro", name: "Faro with tracing", packages: ["@grafana/faro-web-sdk", "@grafana/faro-web-tracing"] },
  {
    id: "opentelemetry",
    name: "OpenTelemetry fetch",
    packages: [
      "@opentelemetry/sdk-trace-web",
      "@opentelemetry/instrumentation-fetch",
      "@opentelemetry/exporter-trace-otlp-http",
    ],
  },
  { id: "datadog", name: "Datadog RUM", packages: ["@datadog/browser-rum"] },
] as const;

/** Reads our script and bundles the rivals, minified; folder is that of the bench. */
export async function buildAgents(folder: string): Promise<Agent[]> {
  const versionOf = (path: string): string =>
    JSON.parse(readFileSync(join(folder, path, "package.json"), "utf8")).version;
  const own = readFileSync(join(folder, "../dist/throughline.js"));
  const agents: Agent[] = [
    { id: "bare", name: "no agent", versions: "", brotli: 0 },
    {
      id: "ours",
      name: "Throughline",
      versions: `@throughline/browser ${versionOf("..")}`,
      script: own,
      later: readFileSync(join(folder, "../dist/throughline-idle.js")),
      attributes: 'data-application-id="745a78fe5b6e57f6"',
      brotli: transferred(own),
    },
  ];
  for (const { id, name, packages } of RIVALS) {
    const { outputFiles } = await build({
      entryPoints: [join(folder, "agents", `${id}.js`)],
      bundle: true,
      minify: true,
      format: "iife",
      target: "es2020",
      define: { "process.env.NODE_ENV": '"production"' },
      logLevel: "error",
      write: false,
    });
    const script = Buffer.from(outputFiles[0]?.contents ?? []);
    const versions = packages.map((one) => `${one} ${versionOf(join("node_modules", one))}`).join(", ");
    agents.push({ id, name, versions, script, brotli: transferred(script) });
  }
  return agents;
}

function transferred(script: Buffer): number {
  return brotliCompressSync(script, { params: { [zlib.BROTLI_PARAM_QUALITY]: 11 } }).length;
}
