import { expect } from "vitest";
import { APPLICATION, test } from "./fixture";

// Consent: nothing before grant(), nothing left after revoke().

/** What the agent keeps in the browser, by the names of the places. */
const stored = async () => [
  ...Object.keys(localStorage),
  ...Object.keys(sessionStorage),
  ...(await indexedDB.databases()).map(({ name }) => name),
];

/** The same, once nothing is kept any more: databases are removed when their last user has closed them. */
const erased = async () => {
  const left = async () => (await indexedDB.databases()).length + localStorage.length + sessionStorage.length;
  while (await left()) await new Promise((resolve) => requestAnimationFrame(resolve));
  return true;
};

test("before grant() nothing is stored, no request is touched, and nothing is sent", async ({ page, app, start }) => {
  await start({ consentRequired: true });
  const before = await page.evaluate(() => window.fetch === kept.fetch);
  await page.evaluate(async () => {
    await fetch("/before");
    await xhr("/before");
    kept.agent.addEvent("before");
    kept.agent.startAction("before").end();
    await kept.agent.flush();
  });
  expect(before).toBe(true);
  expect(await page.evaluate(stored)).toEqual([]);
  expect(await page.evaluate(() => kept.agent.getTraceHeaders("/a"))).toEqual({});
  await page.goto("about:blank");
  for (const { headers } of await app.received("/before", 2)) {
    expect(headers).not.toHaveProperty("traceparent");
    expect(headers).not.toHaveProperty("tracestate");
  }
  // What would have been sent by the page that is left has come by now.
  await page.goto(`${app.origin}/page?data-application-id=${APPLICATION}`);
  await app.event(() => true);
  expect(app.events.filter(({ "url.full": url }) => !String(url).includes("/page"))).toEqual([]);
});

test("grant() starts it; what was before stays untold", async ({ page, app, start }) => {
  await start({ consentRequired: true });
  await page.evaluate(async () => {
    await fetch("/before");
    kept.agent.setUser("u1");
    kept.agent.grant();
    kept.agent.grant();
    await fetch("/after");
    await kept.agent.flush();
  });
  await page.goto("about:blank");
  const event = await app.event((sent) => String(sent["url.full"]).endsWith("/after"));
  const beacon = app.beacons.find(({ events }) => events.some(({ id }) => id === event.id));
  expect(beacon?.attributes).toMatchObject({ "user.id": "u1" });
  expect((await app.received("/after"))[0]?.headers.tracestate).toContain(String(beacon?.["rum.instance.id"]));
  expect(app.events.filter((sent) => String(sent["url.full"]).endsWith("/before"))).toEqual([]);
  for (const sent of app.events) expect(sent.start).toBeGreaterThan(0);
});

test("revoke() ends it and removes all that it kept; grant() begins anew", async ({ page, app, start }) => {
  await start();
  await page.evaluate(async () => {
    await fetch("/before");
    await kept.agent.flush();
  });
  expect(await page.evaluate(stored)).toEqual(expect.arrayContaining(["throughline.instance", "throughline.session"]));
  const [beacon] = app.beacons;
  await page.evaluate(() => kept.agent.revoke());
  expect(await page.evaluate(() => window.fetch === kept.fetch)).toBe(true);
  expect(await page.evaluate(erased)).toBe(true);
  await page.evaluate(async () => {
    await fetch("/between");
    kept.agent.addEvent("between");
    await kept.agent.flush();
    kept.agent.grant();
    await fetch("/after");
    await kept.agent.flush();
  });
  expect((await app.received("/between"))[0]?.headers).not.toHaveProperty("traceparent");
  await app.event((event) => String(event["url.full"]).endsWith("/after"));
  const last = app.beacons.at(-1);
  expect(last?.["rum.instance.id"]).not.toBe(beacon?.["rum.instance.id"]);
  expect(last?.["session.id"]).not.toBe(beacon?.["session.id"]);
  expect(app.events.filter((event) => String(event["url.full"]).endsWith("/between"))).toEqual([]);
  expect(app.events.filter((event) => event.type === "custom")).toEqual([]);
});

test("after revoke() what waits is not sent, and what the page does later stores nothing", async ({
  page,
  app,
  start,
}) => {
  await start();
  await page.evaluate(async () => {
    await kept.agent.flush();
    kept.agent.addEvent("waiting");
    kept.agent.revoke();
  });
  expect(await page.evaluate(erased)).toBe(true);
  // The vitals of a page are final when it is hidden, and a call may end after the end of the agent.
  await page.evaluate(async () => {
    await kept.agent.flush();
    Object.defineProperty(document, "visibilityState", { value: "hidden" });
    document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
    dispatchEvent(new Event("offline"));
  });
  expect(await page.evaluate(stored)).toEqual([]);
  await page.goto(`${app.origin}/page?data-application-id=${APPLICATION}`);
  await app.event((event) => String(event["url.full"]).includes("/page"));
  expect(app.events.filter((event) => event.type === "custom")).toEqual([]);
});

test("a beacon that fails after revoke() is neither kept nor sent again", async ({ page, app, start }) => {
  await start();
  await page.evaluate(() => kept.agent.flush());
  app.answerBeacon = () => 503;
  await page.evaluate(async () => {
    kept.agent.addEvent("failing");
    const sent = kept.agent.flush();
    kept.agent.revoke();
    await sent;
  });
  expect(await page.evaluate(erased)).toBe(true);
  app.answerBeacon = () => 202;
  await page.evaluate(async () => {
    kept.agent.grant();
    kept.agent.addEvent("later");
    await kept.agent.flush();
  });
  await app.event((event) => event.type === "custom");
  expect(app.events.filter((event) => event.type === "custom")).toEqual([
    expect.objectContaining({ "event.name": "later" }),
  ]);
});

test("revoke() in one tab ends the others", async ({ page, context, app, start }) => {
  await start();
  await page.evaluate(() => fetch("/before"));
  const other = await context.newPage();
  await other.goto(`${app.origin}/module`);
  await other.evaluate((applicationId) => {
    kept.exported.init({ applicationId });
    kept.exported.revoke();
  }, APPLICATION);
  await expect.poll(() => page.evaluate(() => window.fetch === kept.fetch), { timeout: 10_000 }).toBe(true);
  await page.evaluate(() => fetch("/after"));
  expect((await app.received("/after"))[0]?.headers).not.toHaveProperty("traceparent");
  expect(await page.evaluate(erased)).toBe(true);
  expect(await page.evaluate(stored)).toEqual([]);
});

test("revoke() before grant() removes what an earlier page kept", async ({ page, start }) => {
  await start();
  await page.evaluate(() => kept.agent.flush());
  await start({ consentRequired: true });
  expect(await page.evaluate(() => localStorage.length)).toBeGreaterThan(0);
  await page.evaluate(() => kept.agent.revoke());
  expect(await page.evaluate(erased)).toBe(true);
});

test.for([
  ["respectGlobalPrivacyControl", "globalPrivacyControl", true],
  ["respectDoNotTrack", "doNotTrack", "1"],
] as const)("%s: nothing starts where the browser says so", async ([option, signal, value], { page, app, start }) => {
  const says = `Object.defineProperty(Navigator.prototype, "${signal}", { get: () => ${JSON.stringify(value)}, configurable: true });`;
  await start({ [option]: true }, says);
  expect(await page.evaluate(() => window.fetch === kept.fetch)).toBe(true);
  await page.evaluate(() => kept.agent.grant());
  expect(await page.evaluate(() => window.fetch === kept.fetch)).toBe(true);
  expect(await page.evaluate(stored)).toEqual([]);
  // And it does where that is not to be respected.
  await start({}, says);
  await page.evaluate(() => kept.agent.flush());
  await app.event(() => true);
});
