import { expect } from "vitest";
import { APPLICATION, hasAll, test } from "./fixture";

// The session cookie: what names the session on the requests of documents and their resources (linking contract, section 5).

const VALUE = /^\d{13}[A-Z0-9]{32}\.[A-Z]{32}-\d+$/;

/** A script for `before`: the cookies that the page writes are in kept.seen, and the clock stands still until kept.pass(). */
const WATCHED = `
  let time = Date.UTC(2026, 0, 1);
  Date.now = () => time;
  window.kept = { seen: [], pass: (ms) => (time += ms) };
  const { get, set } = Object.getOwnPropertyDescriptor(Document.prototype, "cookie");
  Object.defineProperty(Document.prototype, "cookie", {
    configurable: true,
    get,
    set(text) {
      kept.seen.push(text);
      set.call(this, text);
    },
  });`;

/** The ids that the agent keeps, as the cookie names them. */
const ids = () =>
  `${localStorage.getItem("throughline.instance")}.${localStorage.getItem("throughline.session")?.split(" ")[0]}`;

/** The address of a document with an image. */
const withImage = (path: string) =>
  `${path}?${new URLSearchParams({ type: "text/html", body: `<link rel="icon" href="data:,"><img src="${path}/image">` })}`;

test("the next document and its resources name the session", async ({ page, app, open }) => {
  await open({ "data-session-cookie": "shop-session" });
  await hasAll(page);
  const expected = await page.evaluate(ids);
  expect(expected).toMatch(VALUE);
  await page.goto(`${app.origin}${withImage("/shop/cart")}`);
  for (const path of ["/shop/cart", "/shop/cart/image"]) {
    expect((await app.received(path))[0]?.headers.cookie).toBe(`shop-session=${expected}`);
  }
});

test("without the option there is none", async ({ page, open }) => {
  await open({ before: WATCHED });
  await hasAll(page);
  expect(await page.evaluate(() => kept.seen)).toEqual([]);
});

test("it lives for half an hour, on the paths that the option names", async ({ page, app, start }) => {
  await start({ sessionCookie: "s; Path=/shop" }, WATCHED);
  await hasAll(page);
  const [written] = await page.evaluate(() => kept.seen);
  expect(written).toMatch(/^s=[A-Z0-9.-]+; Path=\/; Path=\/shop; SameSite=Lax; Max-Age=1800$/);
  await page.goto(`${app.origin}${withImage("/shop/cart")}`);
  await page.goto(`${app.origin}${withImage("/other")}`);
  expect((await app.received("/shop/cart"))[0]?.headers.cookie).toMatch(/^s=/);
  expect((await app.received("/other"))[0]?.headers).not.toHaveProperty("cookie");
});

test("the hosts below the domain that the option names get it too", async ({ page, app }) => {
  const at = (host: string, path: string) => app.origin.replace("127.0.0.1", host) + path;
  await page.goto(
    at(
      "shop.example.localhost",
      `/page?data-application-id=${APPLICATION}&data-session-cookie=s; Domain=example.localhost`,
    ),
  );
  await hasAll(page);
  const expected = await page.evaluate(ids);
  await page.goto(at("api.example.localhost", withImage("/below")));
  await page.goto(at("other.localhost", withImage("/beside")));
  expect((await app.received("/below"))[0]?.headers.cookie).toBe(`s=${expected}`);
  expect((await app.received("/beside"))[0]?.headers).not.toHaveProperty("cookie");
  await page.goto(at("shop.example.localhost", "/module"));
  await page.evaluate(() => kept.exported.revoke());
  await page.goto(at("api.example.localhost", withImage("/after")));
  expect((await app.received("/after"))[0]?.headers).not.toHaveProperty("cookie");
});

test("a page that came by TLS keeps it from others", async ({ page, secure }) => {
  await page.goto(
    `${secure.origin}/page?${new URLSearchParams({ "data-application-id": APPLICATION, "data-session-cookie": "__Host-s", before: WATCHED })}`,
  );
  await hasAll(page);
  const expected = await page.evaluate(ids);
  expect(await page.evaluate(() => kept.seen[0])).toMatch(/; SameSite=Lax; Secure; Max-Age=1800$/);
  expect(await page.evaluate(() => document.cookie)).toBe(`__Host-s=${expected}`);
  await page.evaluate(() => throughline.revoke());
  expect(await page.evaluate(() => document.cookie)).toBe("");
});

test("activity renews it, though not each time; a new session takes the place of the one before", async ({
  page,
  start,
}) => {
  await start({ sessionCookie: "s" }, WATCHED);
  await hasAll(page);
  const [first, second, third] = await page.evaluate(() => {
    const act = (ms: number) => {
      kept.pass(ms);
      for (let i = 0; i < 10; i++) kept.agent.addEvent("e");
      return [kept.seen.length, document.cookie];
    };
    return [act(5_000), act(60_000), act(31 * 60_000)];
  });
  expect(first?.[0]).toBe(1);
  expect(second).toEqual([2, first?.[1]]);
  expect(third?.[0]).toBe(3);
  expect(third?.[1]).toBe(`s=${await page.evaluate(ids)}`);
  expect(third?.[1]).not.toBe(first?.[1]);
});

test("with consent required it comes with grant() and goes with revoke(), and the page's own stay", async ({
  page,
  start,
}) => {
  await start({ consentRequired: true, sessionCookie: "s; Path=/" }, `${WATCHED} document.cookie = "own=1";`);
  expect(await page.evaluate(() => kept.seen)).toEqual(["own=1"]);
  await page.evaluate(() => kept.agent.grant());
  await hasAll(page);
  await expect.poll(() => page.evaluate(() => document.cookie)).toBe(`own=1; s=${await page.evaluate(ids)}`);
  const written = await page.evaluate(() => {
    kept.agent.revoke();
    const { length } = kept.seen;
    kept.pass(60_000);
    kept.agent.addEvent("e");
    return kept.seen.length - length;
  });
  expect(written).toBe(0);
  expect(await page.evaluate(() => document.cookie)).toBe("own=1");
  expect(await page.evaluate(() => localStorage.length)).toBe(0);
});

test.for([
  ["before grant()", { consentRequired: true }, ""],
  ["before what can wait has come", {}, "window.requestIdleCallback = () => {};"],
  ["where the option is another by now", { sessionCookie: "t" }, "window.requestIdleCallback = () => {};"],
] as const)("revoke() removes that of an earlier page: %s", async ([, options, before], { page, start }) => {
  await start({ sessionCookie: "s; Path=/" });
  await hasAll(page);
  await start({ sessionCookie: "s; Path=/", ...options }, before);
  expect(await page.evaluate(() => document.cookie)).toMatch(/^s=/);
  await page.evaluate(() => kept.agent.revoke());
  expect(await page.evaluate(() => document.cookie)).toBe("");
});

test("after shutdown() it stays, as the ids do, and revoke() removes it", async ({ page, start }) => {
  await start({ sessionCookie: "s" });
  await hasAll(page);
  await page.evaluate(() => kept.agent.shutdown());
  expect(await page.evaluate(() => document.cookie)).toMatch(/^s=/);
  await page.evaluate(() => kept.agent.revoke());
  expect(await page.evaluate(() => document.cookie)).toBe("");
});

test("a session that is left out has none", async ({ page, start }) => {
  await start({ sessionCookie: "s" });
  await hasAll(page);
  expect(await page.evaluate(() => document.cookie)).toMatch(/^s=/);
  await start({ sessionCookie: "s", sampleRate: 0 });
  await hasAll(page);
  expect(await page.evaluate(() => document.cookie)).toBe("");
});

test("where cookies or storage fail there is none, and the page is told of nothing", async ({ page, app, start }) => {
  const broken = `
    window.kept = { errors: [] };
    addEventListener("error", (event) => kept.errors.push(event.message));
    addEventListener("unhandledrejection", (event) => kept.errors.push(String(event.reason)));`;
  for (const fails of [
    `Object.defineProperty(Document.prototype, "cookie", { get() { throw 1; }, set() { throw 1; } });`,
    `Storage.prototype.setItem = () => { throw 1; };`,
  ]) {
    await start({ sessionCookie: "s" }, broken + fails);
    await hasAll(page);
    await page.evaluate(async () => {
      kept.agent.addEvent("e");
      await kept.agent.flush();
      kept.agent.revoke();
    });
    expect(await page.evaluate(() => kept.errors)).toEqual([]);
  }
  expect(app.beacons.map(({ dropped }) => dropped)).not.toContainEqual(
    expect.objectContaining({ agent_error: expect.anything() }),
  );
  await page.goto(`${app.origin}${withImage("/after")}`);
  expect((await app.received("/after"))[0]?.headers).not.toHaveProperty("cookie");
});

test("in a sandboxed frame, which has no cookies, requests are told as ever", async ({ app, open }) => {
  const query = new URLSearchParams({
    "data-application-id": APPLICATION,
    "data-session-cookie": "s",
    before: `addEventListener("load", () => fetch("${app.origin}/a?allow=*"));`,
  });
  await open({
    html: `<iframe sandbox="allow-scripts" src="/page?${query.toString().replace(/&/g, "&amp;")}"></iframe>`,
  });
  expect((await app.received("/a"))[0]?.headers).not.toHaveProperty("cookie");
  await app.event((event) => String(event["url.full"]).includes("/a"));
});
