import { readFileSync } from "node:fs";
import http from "node:http";
import http2 from "node:http2";
import type { AddressInfo, Socket } from "node:net";
import { Readable } from "node:stream";
import { gunzipSync } from "node:zlib";

/** What one beacon said (wire/beacon/beacon.md). */
export interface Beacon {
  events: BeaconEvent[];
  [field: string]: unknown;
}

export interface BeaconEvent {
  type: string;
  id: string;
  start: number;
  "performance.timing": Record<string, number>;
  [field: string]: unknown;
}

export interface Received {
  method: string;
  url: URL;
  headers: Record<string, string | undefined>;
  body: string;
}

export interface Server {
  origin: string;
  /** Every request but those for pages, scripts and beacons, in order of arrival. */
  requests: Received[];
  beacons: Beacon[];
  /** Their events, those that came twice once: a page that is left may not learn that its beacon arrived. */
  readonly events: BeaconEvent[];
  /** The headers that the beacons came with. */
  beaconHeaders: http.IncomingHttpHeaders[];
  /** How long they were, in bytes. */
  beaconBytes: number[];
  /** The paths of scripts that are answered with 404. */
  missing: string[];
  /** The status that the next beacon is answered with; 0 cuts the connection, HANG leaves it without an answer. */
  answerBeacon: () => number;
  /** Headers of these answers. */
  answerHeaders: http.OutgoingHttpHeaders;
  /** Further scripts, by path. */
  scripts: Map<string, string>;
  /** The first event that passes, waited for. */
  event(test: (event: BeaconEvent) => boolean): Promise<BeaconEvent>;
  /** The requests to this path, waited for until there are as many. */
  received(path: string, count?: number): Promise<Received[]>;
  close(): Promise<void>;
}

export const HANG = -1;

const SCRIPTS: Record<string, string> = {
  "/throughline.js": "../dist/throughline.js",
  "/throughline-idle.js": "../dist/throughline-idle.js",
  "/throughline-worker.js": "../dist/throughline-worker.js",
  "/web-vitals.js": "../node_modules/web-vitals/dist/web-vitals.js",
  "/web-vitals.attribution.js": "../node_modules/web-vitals/dist/web-vitals.attribution.js",
};

/**
 * An application and its intake on one origin. The query chooses how a request is answered:
 *
 *  - `status`, `body`, `type`
 *  - `header=Name: value`, any number of times
 *  - `allow=*`: CORS for every origin, with the headers named here, or all that are asked for where it is `*`
 *  - `hold`: the answer waits until `/release?hold` comes; with `part` its headers and this text go first
 *  - `drop`: the connection is cut
 *  - `etag`: a request that has this entity tag already is answered with 304
 *  - `early`: 103 Early Hints come first
 *  - `trace`: Server-Timing names the trace that the request carries
 *  - `ahead=5000`: Server-Timing tells the time of a clock that is 5 s ahead
 *  - `to=URL`: a redirect
 *
 *  - `length`: a body of so many bytes
 *
 * `/page` is a page with the classic script; each of its `data-` parameters becomes an attribute of the script
 * element, `html` its body, `before` a script in front of the agent, `first` the address of one; `on` is more attributes, `src` another
 * source; with `bare` it is the same page
 * without the agent. `/module` is one that imports the package, and starts nothing; it takes `before` too.
 */
export async function startServer(tls?: http2.SecureServerOptions): Promise<Server> {
  const waiting = new Set<() => void>();
  const held = new Map<string, () => void>();
  const changed = () => {
    for (const check of waiting) check();
  };
  const until = <T>(find: () => T | undefined) =>
    new Promise<T>((resolve) => {
      const check = () => {
        const found = find();
        if (found === undefined) return;
        waiting.delete(check);
        resolve(found);
      };
      waiting.add(check);
      check();
    });

  const server: Server = {
    origin: "",
    requests: [],
    beacons: [],
    get events() {
      const events = server.beacons.flatMap((beacon) => beacon.events);
      return [...new Map(events.map((event) => [event.id, event])).values()];
    },
    beaconHeaders: [],
    beaconBytes: [],
    missing: [],
    answerBeacon: () => 202,
    answerHeaders: {},
    scripts: new Map(),
    event: (test) => until(() => server.events.find(test)),
    received: (path, count = 1) =>
      until(() => {
        const found = server.requests.filter(
          (request) => request.url.pathname === path && request.method !== "OPTIONS",
        );
        return found.length >= count ? found : undefined;
      }),
    close: async () => {},
  };

  const answer = (request: http.IncomingMessage, response: http.ServerResponse, body: string) => {
    const url = new URL(request.url ?? "/", server.origin);
    const query = url.searchParams;
    for (const header of query.getAll("header")) {
      const [name = "", ...value] = header.split(": ");
      response.appendHeader(name, value.join(": "));
    }
    const [, module] = /^(\/npm\/[\w-]+\.js)$/.exec(url.pathname) ?? [];
    const script = module ? `../dist${module}` : SCRIPTS[url.pathname];
    if (script && server.missing.includes(url.pathname)) {
      response.writeHead(404).end();
      return;
    }
    const further = server.scripts.get(url.pathname);
    if (script || further !== undefined) {
      response.setHeader("Content-Type", "text/javascript");
      response.end(further ?? readFileSync(new URL(String(script), import.meta.url)));
      return;
    }
    if (url.pathname === "/page" || url.pathname === "/module") {
      response.setHeader("Content-Type", "text/html; charset=utf-8");
      response.end(url.pathname === "/page" ? scriptPage(query) : modulePage(query));
      return;
    }
    if (url.pathname === "/beacon" && request.method === "POST") {
      const status = server.answerBeacon();
      // A page that is closed may cut its beacon off.
      if (status === HANG || !request.complete) return;
      server.beaconHeaders.push(request.headers);
      server.beaconBytes.push(Buffer.byteLength(body));
      if (!status) {
        response.destroy();
        changed();
        return;
      }
      if (status === 202) server.beacons.push(JSON.parse(body));
      response.setHeader("Access-Control-Allow-Origin", "*");
      response.writeHead(status, server.answerHeaders).end();
      changed();
      return;
    }
    server.requests.push({ method: request.method ?? "", url, headers: request.headers as Received["headers"], body });
    changed();
    if (url.pathname === "/release") {
      held.get(url.search)?.();
      response.end();
      return;
    }
    if (query.has("drop")) {
      response.destroy();
      return;
    }
    const allow = query.get("allow");
    if (allow !== null) {
      response.setHeader("Access-Control-Allow-Origin", "*");
      const asked = request.headers["access-control-request-headers"];
      response.setHeader("Access-Control-Allow-Headers", allow === "*" ? String(asked ?? "") : allow);
      if (request.method === "OPTIONS") {
        response.writeHead(204).end();
        return;
      }
    }
    if (query.has("early")) response.writeEarlyHints({ link: "</style.css>; rel=preload; as=style" });
    const [, trace] = String(request.headers.traceparent).split("-");
    if (query.has("trace") && trace) {
      response.appendHeader("Server-Timing", `trace;desc=00-${trace}-97039bf817c8584a-01`);
    }
    if (query.has("ahead")) {
      response.appendHeader("Server-Timing", `now;dur=${Date.now() + Number(query.get("ahead"))}`);
    }
    const to = query.get("to");
    if (to !== null) {
      response.writeHead(302, { Location: to }).end();
      return;
    }
    const etag = query.get("etag");
    if (etag !== null) {
      response.setHeader("ETag", `"${etag}"`);
      if (request.headers["if-none-match"] === `"${etag}"`) {
        response.writeHead(304).end();
        return;
      }
    }
    response.setHeader("Content-Type", query.get("type") ?? "text/plain");
    response.statusCode = Number(query.get("status") ?? 200);
    const length = query.get("length");
    if (length !== null) {
      Readable.from(zeros(Number(length))).pipe(response);
      return;
    }
    const finish = () => response.end(query.get("body") ?? "ok");
    if (!query.has("hold")) {
      finish();
      return;
    }
    const part = query.get("part");
    if (part !== null) response.write(part);
    held.set(`?${query.get("hold")}`, finish);
  };

  const handle = async (request: http.IncomingMessage, response: http.ServerResponse) => {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer);
    } catch {
      // The page cut it off; what came is what there is.
    }
    const bytes = Buffer.concat(chunks);
    answer(request, response, (bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzipSync(bytes) : bytes).toString());
  };
  const listener = tls
    ? http2.createSecureServer(tls, (request, response) =>
        handle(request as unknown as http.IncomingMessage, response as unknown as http.ServerResponse),
      )
    : http.createServer(handle);
  const connections = new Set<Socket>();
  listener.on("connection", (socket: Socket) => {
    connections.add(socket.once("close", () => connections.delete(socket)));
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  server.origin = `${tls ? "https" : "http"}://127.0.0.1:${(listener.address() as AddressInfo).port}`;
  server.close = () =>
    new Promise((resolve) => {
      listener.close(() => resolve());
      for (const socket of connections) socket.destroy();
    });
  return server;
}

function* zeros(length: number): Generator<Buffer> {
  const chunk = Buffer.alloc(65_536);
  for (let left = length; left > 0; left -= chunk.length) yield chunk.subarray(0, left);
}

function scriptPage(query: URLSearchParams): string {
  const attributes = [...query]
    .filter(([name]) => name.startsWith("data-"))
    .map(([name, value]) => ` ${name}="${value.replace(/&/g, "&amp;").replace(/"/g, "&quot;")}"`)
    .join("");
  const first = query.get("first");
  const agent = `<script src="${query.get("src") ?? "/throughline.js"}"${attributes} ${query.get("on") ?? ""}></script>`;
  return `<!doctype html><title>Test</title>${scriptBefore(query)}
${first === null ? "" : `<script src="${first}"></script>`}
${query.has("bare") ? "" : agent}
<link rel="icon" href="data:,">${query.get("html") ?? ""}`;
}

function scriptBefore(query: URLSearchParams): string {
  const before = query.get("before");
  return before ? `<script>${before}</script>` : "";
}

function modulePage(query: URLSearchParams): string {
  return `<!doctype html><title>Test</title><link rel="icon" href="data:,">${scriptBefore(query)}
<script type="importmap">{"imports": {"web-vitals": "/web-vitals.js", "@throughline/browser": "/npm/index.js", "web-vitals/attribution": "/web-vitals.attribution.js"}}</script>
<script>
  const { open: openXhr, send, setRequestHeader } = XMLHttpRequest.prototype;
  window.kept = { ...window.kept, fetch, open: openXhr, send, setRequestHeader };
</script>
<script type="module">
  import * as exported from "@throughline/browser";
  Object.assign(kept, { exported });
</script>`;
}
