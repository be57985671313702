import http from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { brotliDecompressSync, gunzipSync, inflateSync } from "node:zlib";
import type { Agent } from "./build-agents";

/** What arrived from one page. */
export interface Tally {
  /** Requests to /items/, and how many of them carried a traceparent. */
  requests: number;
  linked: number;
  beacons: number;
  /** Bodies of the beacons: as they are, and as they came, which may be compressed. */
  bytes: number;
  wireBytes: number;
  /** The requests that the beacons speak of. */
  mentioned: Set<string>;
  /** Posted to where nothing is. */
  refused: Set<string>;
  /** performance.now() of the last arrival. */
  last: number;
}

export interface Server {
  /** The agent's page, on an origin of its own; each version has another URL of the script. */
  page(agent: Agent, version: string): string;
  script(agent: Agent, version: string): string;
  /** Counts anew for the agent's page. */
  tally(agent: Agent): Tally;
  close(): Promise<void>;
}

/** How each intake answers what it has taken, as its makers' own does. */
const INTAKES: Record<string, { status: number; type?: string; body?: string }> = {
  "/beacon": { status: 202 },
  "/intake/v2/rum/events": { status: 202 },
  "/collect": { status: 202 },
  "/v1/traces": { status: 200, type: "application/json", body: "{}" },
  "/datadog": { status: 202, type: "application/json", body: "{}" },
};

/** What gzip begins with (RFC 1952, section 2.3.1): ours says its coding by nothing else. */
const GZIP = Buffer.of(0x1f, 0x8b);

const DECODERS: Record<string, (body: Buffer) => Buffer> = {
  gzip: gunzipSync,
  deflate: inflateSync,
  br: brotliDecompressSync,
};

/** The application and everybody's intake. Each agent's page has an origin of its own: NAME.localhost. */
export async function startServer(agents: Agent[]): Promise<Server> {
  const tallies = new Map<string, Tally>();

  const handle = async (request: http.IncomingMessage, response: http.ServerResponse) => {
    const url = new URL(request.url ?? "/", "http://localhost");
    const [id = ""] = (request.headers.host ?? "").split(".");
    const agent = agents.find((one) => one.id === id);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const wire = Buffer.concat(chunks);
    const tally = tallies.get(id);
    if (tally) tally.last = performance.now();

    if (url.pathname.startsWith("/items/")) {
      if (tally) {
        tally.requests++;
        if (request.headers.traceparent) tally.linked++;
      }
      response.setHeader("Cache-Control", "no-store");
      response.setHeader("Content-Type", "application/json");
      response.end(`{"item":"${url.pathname}"}`);
      return;
    }
    if (url.pathname === "/linked") {
      response.setHeader("Content-Type", "application/json");
      response.end(String("traceparent" in request.headers));
      return;
    }
    if (request.method === "POST") {
      const intake = INTAKES[url.pathname];
      if (!intake) tally?.refused.add(url.pathname);
      if (tally && intake) {
        const coding = request.headers["content-encoding"] ?? (wire.subarray(0, 2).equals(GZIP) ? "gzip" : "");
        const body = DECODERS[coding]?.(wire) ?? wire;
        tally.beacons++;
        tally.bytes += body.length;
        tally.wireBytes += wire.length;
        for (const [item] of body.toString("utf8").matchAll(/\/items\/\d+/g)) tally.mentioned.add(item);
      }
      if (intake?.type) response.setHeader("Content-Type", intake.type);
      response.writeHead(intake?.status ?? 404).end(intake?.body);
      return;
    }
    if (url.pathname === "/agent.js" && agent?.script) {
      response.setHeader("Content-Type", "text/javascript");
      response.setHeader("Cache-Control", "max-age=86400"); // V8 keeps code only of what is in the cache
      response.end(agent.script);
      return;
    }
    if (url.pathname === LATER_PATH && agent?.later) {
      response.setHeader("Content-Type", "text/javascript");
      response.end(agent.later);
      return;
    }
    if (url.pathname === "/page" && agent) {
      response.setHeader("Content-Type", "text/html; charset=utf-8");
      response.end(pageOf(agent, url.searchParams.get("version") ?? ""));
      return;
    }
    response.writeHead(404).end();
  };
  const listener = http.createServer((request, response) => {
    handle(request, response).catch(() => response.destroy());
  });
  const connections = new Set<Socket>();
  listener.on("connection", (socket: Socket) => {
    connections.add(socket.once("close", () => connections.delete(socket)));
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const { port } = listener.address() as AddressInfo;
  return {
    page: (agent, version) => `http://${agent.id}.localhost:${port}/page?version=${version}`,
    script: (agent, version) => `http://${agent.id}.localhost:${port}${scriptPath(version)}`,
    tally(agent) {
      const tally: Tally = {
        requests: 0,
        linked: 0,
        beacons: 0,
        bytes: 0,
        wireBytes: 0,
        mentioned: new Set(),
        refused: new Set(),
        last: performance.now(),
      };
      tallies.set(agent.id, tally);
      return tally;
    },
    close: () =>
      new Promise((resolve) => {
        listener.close(() => resolve());
        for (const socket of connections) socket.destroy();
      }),
  };
}

/** What ours loads when the page is idle. */
export const LATER_PATH = "/throughline-idle.js";

const scriptPath = (version: string) => `/agent.js?version=${version}`;

function pageOf(agent: Agent, version: string): string {
  const script = agent.script ? `<script src="${scriptPath(version)}" ${agent.attributes ?? ""}></script>` : "";
  return `<!doctype html><html lang="en"><head><title>Bench</title>${script}
<link rel="icon" href="data:,"></head><body><h1>Bench</h1><p>The same page for every agent.</p></body></html>`;
}
