import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { build } from "esbuild";
import { describe, expect } from "vitest";
import { APPLICATION, test } from "./fixture";
import type { Server } from "./server";

// Clients and other wrappers of fetch and XMLHttpRequest, in front of the agent and behind it: they work, and each request
// has one context and one event.

const { resolve } = createRequire(import.meta.url);
/** The worker that MSW's own command puts into an application. */
const MSW_WORKER = resolve("msw").replace(/lib.*/, "lib/mockServiceWorker.js");

interface Client {
  /** A module that puts it into place, and what call needs into window.client. */
  setup: string;
  /** Calls /a?trace, and resolves with the text of the answer. */
  call: string;
  /** What the agent tells it as. */
  kind: "fetch" | "xhr";
  /** The same, where the agent came after it. */
  kindInFront?: "fetch";
  /** Whether it had a hand in the call. */
  used?: string;
  /** Another vendor's context that goes out in place of ours. */
  external?: boolean;
}

const CLIENTS: Record<string, Client> = {
  "axios over XMLHttpRequest": {
    setup: `import axios from "axios"; window.client = axios;`,
    call: `client.get("/a?trace").then(({ data }) => data)`,
    kind: "xhr",
  },
  "axios over fetch": {
    setup: `import axios from "axios"; window.client = axios.create({ adapter: "fetch" });`,
    call: `client.get("/a?trace").then(({ data }) => data)`,
    kind: "fetch",
  },
  ky: {
    setup: `import ky from "ky"; window.client = ky;`,
    call: `client.get("/a?trace").text()`,
    kind: "fetch",
  },
  jQuery: {
    setup: `import $ from "jquery"; window.client = $;`,
    call: `client.ajax("/a?trace", { dataType: "text" })`,
    kind: "xhr",
  },
  "Sentry with its traceparent, by fetch": {
    setup: `import * as Sentry from "@sentry/browser"; ${sentry()}`,
    call: `client.startSpan({ name: "test" }, () => fetch("/a?trace").then((answer) => answer.text()))`,
    kind: "fetch",
    external: true,
  },
  "Sentry with its traceparent, by XMLHttpRequest": {
    setup: `import * as Sentry from "@sentry/browser"; ${sentry()}`,
    call: `client.startSpan({ name: "test" }, () => xhr("/a?trace").then(({ text }) => text))`,
    kind: "xhr",
    external: true,
  },
  "zone.js, by fetch": {
    setup: `import "zone.js"; ${zone()}`,
    call: `client.run(() => fetch("/a?trace").then((answer) => answer.text().then((text) => text + Zone.current.name)))
      .then((text) => text.replace("mine", ""))`,
    kind: "fetch",
    used: "client.scheduled > 0",
  },
  "zone.js, by XMLHttpRequest": {
    setup: `import "zone.js"; ${zone()}`,
    call: `client.run(() => xhr("/a?trace").then(({ text }) => text + Zone.current.name))
      .then((text) => text.replace("mine", ""))`,
    kind: "xhr",
    used: "client.scheduled > 0",
  },
  "the whatwg-fetch polyfill": {
    setup: `import { fetch } from "whatwg-fetch"; window.fetch = fetch;`,
    call: `fetch("/a?trace").then((answer) => answer.text())`,
    kind: "xhr",
    kindInFront: "fetch",
  },
};

function sentry(): string {
  return `
    Sentry.init({
      dsn: location.origin.replace("//", "//key@") + "/1",
      integrations: [Sentry.browserTracingIntegration({ instrumentPageLoad: false, instrumentNavigation: false })],
      tracesSampleRate: 1,
      propagateTraceparent: true,
      tracePropagationTargets: [/\\/a/],
      transport: () => ({ send: async () => ({}), flush: async () => true }),
    });
    window.client = Sentry;`;
}

function zone(): string {
  return `
    let scheduled = 0;
    const zone = Zone.current.fork({
      name: "mine",
      onScheduleTask: (parent, current, target, task) => (scheduled++, parent.scheduleTask(target, task)),
    });
    window.client = { run: (task) => zone.run(task), get scheduled() { return scheduled; } };`;
}

async function bundle(contents: string): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: import.meta.dirname },
    bundle: true,
    write: false,
    format: "iife",
    logLevel: "error",
  });
  return outputFiles[0]?.text ?? "";
}

/** Opens a page that has the client in front of the agent, or behind it. */
async function openWith(
  page: { goto(url: string): Promise<unknown> },
  app: Server,
  client: Pick<Client, "setup">,
  order: string,
): Promise<void> {
  const script = await bundle(client.setup);
  app.scripts.set("/before.js", order === "behind" ? "" : script);
  app.scripts.set("/behind.js", order === "behind" ? script : "");
  const query = new URLSearchParams({
    "data-application-id": APPLICATION,
    "data-allow-query-parameters": "*",
    first: "/before.js",
    html: '<script src="/behind.js"></script>',
  });
  await page.goto(`${app.origin}/page?${query}`);
}

describe.each(Object.keys(CLIENTS))("%s", (name) => {
  const client = CLIENTS[name] as Client;

  test.for(["in front", "behind"])("%s", async (order, { page, app }) => {
    await openWith(page, app, client, order);
    expect(await page.evaluate(client.call)).toBe("ok");
    expect(await page.evaluate(client.used ?? "true")).toBe(true);
    await page.evaluate(() => timed("/a?trace"));
    // A polyfill's request, the agent's own too, does not outlast the page.
    await page.evaluate(() => throughline.flush());

    const about = () => app.events.filter((event) => String(event["url.full"]).endsWith("/a?trace"));
    await app.event(() => about().length > 0);
    expect(about()).toHaveLength(1);
    const [event] = about();
    expect(event).toMatchObject({
      "request.kind": (order === "in front" && client.kindInFront) || client.kind,
      "request.server_timing_hint": "received",
      "http.response.status_code": 200,
    });
    expect(app.requests.filter(({ url }) => url.pathname === "/a")).toHaveLength(1);
    const [request] = await app.received("/a");
    expect(request?.headers.traceparent).toMatch(new RegExp(`^00-${event?.["trace.id"]}-${event?.["span.id"]}-0\\d$`));
    expect(request?.headers.tracestate?.match(/@dtr=/g)).toHaveLength(1);
    if (!client.external) expect(event?.["request.trace_context_hint"]).toBe("set");
  });
});

test.for(["in front", "behind"])("MSW %s: what it answers, and what it lets through", async (order, { page, app }) => {
  app.scripts.set("/mockServiceWorker.js", readFileSync(MSW_WORKER, "utf8"));
  const setup = `
    import { http, HttpResponse } from "msw";
    import { setupWorker } from "msw/browser";
    const worker = setupWorker(http.get("/mocked", ({ request }) => HttpResponse.text(request.headers.get("traceparent"))));
    window.client = { start: () => worker.start({ quiet: true, onUnhandledRequest: "bypass" }) };`;
  await openWith(page, app, { setup }, order);
  const [mocked, byXhr, through] = await page.evaluate<[string, string, string]>(`(async () => {
    await client.start();
    const text = (url) => fetch(url).then((answer) => answer.text());
    return [await text("/mocked"), (await xhr("/mocked")).text, await text("/a?trace")];
  })()`);
  expect(through).toBe("ok");
  for (const traceparent of [mocked, byXhr]) expect(traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-03$/);
  expect(byXhr).not.toBe(mocked);
  await page.goto("about:blank");
  const about = (path: string) =>
    app.events.filter((event) => event.type === "request" && new URL(String(event["url.full"])).pathname === path);
  await app.event(() => about("/mocked").length > 1 && about("/a").length > 0);
  expect(about("/mocked").map((event) => event["trace.id"])).toEqual([mocked.split("-")[1], byXhr.split("-")[1]]);
  expect(about("/a")).toHaveLength(1);
  const [request] = await app.received("/a");
  expect(request?.headers.traceparent).toContain(String(about("/a")[0]?.["trace.id"]));
  expect(request?.headers.tracestate?.match(/@dtr=/g)).toHaveLength(1);
});
