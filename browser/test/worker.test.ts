import { expect } from "vitest";
import { APPLICATION, INSTANCE, SESSION, test } from "./fixture";
import type { BeaconEvent, Server } from "./server";

// The agent in a worker: requests there are those of the origin's pages.

const at = (path: string) => (event: BeaconEvent) => new URL(String(event["url.full"])).pathname === path;

/** Scripts of workers. Each says what it did when it is told a path: to fetch it, and to get it by XMLHttpRequest. */
const ANSWER = `
  onmessage = async ({ data: [task, ...args] }) => {
    const tasks = {
      async get(path) {
        await (await fetch(path)).text();
        await new Promise((resolve, reject) => {
          const request = new XMLHttpRequest();
          request.onload = resolve;
          request.onerror = reject;
          request.open("GET", path);
          request.send();
        });
      },
      async tell(name) {
        agent.addEvent(name);
        agent.addError(new Error(name));
      },
      async grant() { agent.grant(); },
      async revoke() { agent.revoke(); },
    };
    await tasks[task](...args);
    await agent.flush();
    postMessage("done");
  };
`;
const options = (more: object) => JSON.stringify({ applicationId: APPLICATION, ...more });
const WORKERS: Record<string, { type: WorkerType; script: (more?: object) => string }> = {
  classic: {
    type: "classic",
    script: (more = {}) =>
      `importScripts("/throughline-worker.js"); const agent = throughline; agent.init(${options(more)}); ${ANSWER}`,
  },
  module: {
    type: "module",
    script: (more = {}) => `import * as agent from "/npm/worker.js"; agent.init(${options(more)}); ${ANSWER}`,
  },
};
const urlOf = (script: string) => `/worker.js?${new URLSearchParams({ type: "text/javascript", body: script })}`;

/** Starts a worker that the page keeps. */
const launch = ([url, type]: [string, WorkerType]) => {
  Object.assign(window, { worker: new Worker(url, { type }) });
};
/** Has it do a task; resolves when it is done and its beacons are sent. */
const work = (task: string[]) =>
  new Promise<void>((resolve, reject) => {
    const { worker } = window as unknown as { worker: Worker };
    worker.onmessage = () => resolve();
    worker.onerror = (event) => reject(new Error(event.message));
    worker.postMessage(task);
  });

/** Has requests sent until the worker knows whose they are. */
const untilLinked = async (app: Server, send: () => Promise<void>) => {
  do await send();
  while (!app.requests.some(({ headers }) => headers.tracestate));
};

for (const [name, { type, script }] of Object.entries(WORKERS)) {
  test(`${name}: its requests carry the page's instance and session`, async ({ page, app, start, run }) => {
    await start();
    await run(launch, urlOf(script({ allowQueryParameters: true })), type);
    await untilLinked(app, () => run(work, "get", "/first"));
    await run(work, "get", "/a");
    await run(work, "tell", "said");
    const beacon = app.beacons.find(({ events }) => events.some(at("/a")));
    await page.evaluate(() => kept.agent.flush());
    const ofPage = app.beacons.find(({ events }) => events.some(at("/module")));
    expect(beacon?.["rum.instance.id"]).toMatch(INSTANCE);
    expect(beacon?.["rum.instance.id"]).toBe(ofPage?.["rum.instance.id"]);
    expect(beacon?.["session.id"]).toMatch(SESSION);
    expect(beacon?.["session.id"]).toBe(ofPage?.["session.id"]);
    const events = app.events.filter(at("/a"));
    expect(events.map((event) => event["request.kind"]).sort()).toEqual(["fetch", "xhr"]);
    const requests = await app.received("/a", 2);
    for (const { headers } of requests) {
      const [, trace, span] = String(headers.traceparent).split("-");
      expect(events).toContainEqual(expect.objectContaining({ "trace.id": trace, "span.id": span }));
      expect(headers.tracestate).toContain(`;${beacon?.["rum.instance.id"]};${beacon?.["session.id"]}`);
    }
    await app.event((event) => event.type === "custom" && event["event.name"] === "said");
    await app.event((event) => event.type === "error" && event["exception.message"] === "said");
  });

  test(`${name}: without an agent on a page, requests carry traceparent alone, and are told`, async ({
    page,
    app,
    run,
  }) => {
    await page.goto(`${app.origin}/page?bare`);
    await run(launch, urlOf(script()), type);
    await run(work, "get", "/a");
    for (const { headers } of await app.received("/a", 2)) {
      expect(headers.traceparent).toMatch(/^00-/);
      expect(headers).not.toHaveProperty("tracestate");
    }
    const event = await app.event(at("/a"));
    expect(event["request.trace_context_hint"]).toBe("missing_values");
    const beacon = app.beacons.find(({ events }) => events.some(({ id }) => id === event.id));
    // Fields that are not known are left out, or the server refuses the beacon.
    expect(beacon).not.toHaveProperty(["rum.instance.id"]);
    expect(beacon).not.toHaveProperty(["session.id"]);
    expect(beacon?.dropped).toBeUndefined();
  });

  test(`${name}: consent is the worker's too`, async ({ page, app, run }) => {
    await page.goto(`${app.origin}/page?bare`);
    await run(launch, urlOf(script({ consentRequired: true })), type);
    await run(work, "get", "/before");
    await run(work, "grant");
    await run(work, "get", "/between");
    await run(work, "revoke");
    await run(work, "get", "/after");
    const linked = async (path: string) => (await app.received(path, 2)).map(({ headers }) => "traceparent" in headers);
    expect(await linked("/before")).toEqual([false, false]);
    expect(await linked("/between")).toEqual([true, true]);
    expect(await linked("/after")).toEqual([false, false]);
    await app.event(at("/between"));
    expect(app.events.filter((event) => at("/before")(event) || at("/after")(event))).toEqual([]);
  });
}

test("a worker that starts before the page's agent is linked once that has told it whose it is", async ({
  page,
  app,
  run,
}) => {
  await page.goto(`${app.origin}/module`);
  await run(launch, urlOf(WORKERS.classic?.script() ?? ""), "classic");
  await run(work, "get", "/before");
  expect((await app.received("/before", 2))[0]?.headers).not.toHaveProperty("tracestate");
  await page.evaluate((applicationId) => kept.exported.init({ applicationId }), APPLICATION);
  await untilLinked(app, () => run(work, "get", "/after"));
});
