import { expect } from "vitest";
import { test } from "./fixture";
import type { BeaconEvent, Server } from "./server";

// What people do, and what follows from it.

const HEX16 = /^[0-9a-f]{16}$/;

const actions = (app: Server) => app.events.filter(action).sort((a, b) => a.start - b.start);
const action = (event: BeaconEvent) => event.type === "action";
const to = (path: string) => (event: BeaconEvent) =>
  event.type === "request" && new URL(String(event["url.full"])).pathname === path;

/** Runs in the page: clicks all these elements, each so long after the other that it is an interaction of its own. */
function clickEach([selector]: [string]): void {
  for (const element of document.querySelectorAll<HTMLElement>(selector)) {
    const before = performance.now();
    while (performance.now() < before + 31);
    element.click();
  }
}

test("a click: its requests, its errors and its routes carry its id", async ({ page, app, open, leave }) => {
  await open({
    html: `<button onclick="buy()">Buy <b>now</b></button><script>
      async function buy() {
        history.pushState(null, "", "/bought");
        await fetch("/one");
        setTimeout(() => { throw new Error("in the action"); });
        await fetch("/two");
        done();
      }
      const finished = new Promise((resolve) => { done = resolve; });
    </script>`,
  });
  await page.evaluate(() => fetch("/before"));
  await page.click("button");
  await page.evaluate("finished");
  const two = await leave("/two");
  const click = await app.event(action);
  expect(click).toMatchObject({ "action.kind": "click", "action.name": "Buy now" });
  expect(click.id).toMatch(HEX16);
  expect(click.duration).toBeGreaterThan(0);
  expect(new URL(String(click["url.full"])).pathname).toBe("/page");
  expect(two["action.id"]).toBe(click.id);
  expect(await app.event(to("/one"))).toHaveProperty("action.id", click.id);
  expect(await app.event((event) => event.type === "error")).toHaveProperty("action.id", click.id);
  expect(await app.event((event) => event["navigation.type"] === "soft")).toHaveProperty("action.id", click.id);
  expect(await app.event(to("/before"))).not.toHaveProperty("action.id");
  expect(click).not.toHaveProperty("action.id");
});

test("what starts later than an idle click has settled is not its doing", async ({ page, app, open, leave }) => {
  await open({ html: "<button>Nothing</button>" });
  await page.click("button");
  const click = await app.event(action);
  await page.evaluate(() => fetch("/later"));
  expect(await leave("/later")).not.toHaveProperty("action.id");
  expect(click.duration).toBeLessThan(100);
});

test("an action stays open while requests and changes follow", async ({ page, app, open, leave }) => {
  // Each step comes 60 ms after the one before: all together later than the silence that would end the action.
  await open({
    html: `<button>Go</button><p></p><script>
      const steps = [() => fetch("/first"), () => document.querySelector("p").append("x"),
        () => document.querySelector("p").setAttribute("class", "y"), () => fetch("/last?hold=last")];
      const next = () => { const step = steps.shift(); if (step) { step(); setTimeout(next, 60); } };
      document.querySelector("button").addEventListener("click", next);
    </script>`,
  });
  await page.click("button");
  await app.received("/last");
  await page.evaluate(() => fetch("/release?last"));
  const click = await app.event(action);
  expect(await leave("/last")).toHaveProperty("action.id", click.id);
  expect(click.duration).toBeGreaterThan(150);
});

test("an image that a click shows belongs to it, and keeps it open", async ({ page, app, open, leave }) => {
  await open({
    html: `<button onclick="document.images[0].src = '/image?type=image/png'">Show</button><img>`,
  });
  await page.click("button");
  const click = await app.event(action);
  expect(await leave("/image")).toHaveProperty("action.id", click.id);
});

test("a new interaction ends the one before", async ({ page, app, open, leave }) => {
  await open({
    html: `<button id="one" onclick="fetch('/one?hold=one')">1</button><button id="two" onclick="fetch('/two')">2</button>`,
  });
  await page.click("#one");
  await app.received("/one");
  await page.evaluate(() => settled());
  await page.click("#two");
  await app.received("/two");
  await page.evaluate(async () => {
    await fetch("/release?one");
    await timed("/one?hold=one");
  });
  const two = await leave("/two");
  await app.event((event) => event["action.name"] === "2");
  const [first, second] = actions(app);
  expect(actions(app).map((event) => event["action.name"])).toEqual(["1", "2"]);
  expect(two["action.id"]).toBe(second?.id);
  expect(await app.event(to("/one"))).toHaveProperty("action.id", first?.id);
});

test("Enter on a button is one action, and so is a click on a label", async ({ page, app, open, run }) => {
  await open({
    html: `<button onclick="fetch('/pressed').then((answer) => answer.text())">Send</button><label>Agree <input type="checkbox" name="agree"></label>`,
  });
  await run(() => document.querySelector("button")?.focus());
  await page.keyboard.press("Enter");
  const key = await app.event(action);
  expect(await app.event(to("/pressed"))).toHaveProperty("action.id", key.id);
  await page.click("label");
  await page.goto("about:blank");
  await app.event((event) => event["action.kind"] === "click");
  expect(actions(app).map((event) => event["action.kind"])).toEqual(["key", "click"]);
});

test("never what people typed", async ({ page, app, open, run }) => {
  const secret = "hunter2";
  await open({
    "data-allow-query-parameters": "",
    html: `
      <input type="password" name="pass"><input id="text"><textarea name="note">${secret}</textarea>
      <select name="pick"><option>${secret}</option></select>
      <div contenteditable id="rich"><p id="paragraph">${secret} <a id="link">${secret}</a> <button id="inner">${secret}</button></p></div>
      <div role="application" id="app"><div contenteditable>${secret}</div></div>
      <div id="editor"><span id="line">${secret}</span></div>
      <label id="label">Note <textarea>${secret}</textarea></label>
      <button id="holder"><span contenteditable>${secret}</span></button>
      <div role="textbox" id="box">${secret}</div>`,
  });
  const told = (name: string) => app.event((event) => event["action.name"] === name);
  await page.click("[name=pass]");
  await told("pass");
  for (const key of secret) await page.keyboard.press(key);
  await page.keyboard.press("Enter");
  await told("Enter pass");
  await page.click("#text");
  await told("text");
  for (const key of secret) await page.keyboard.press(key);
  await page.keyboard.press("Escape");
  await run(clickEach, "[id]");
  await told("box");
  const names = actions(app).map((event) => event["action.name"]);
  expect(names.slice(0, 4)).toEqual(["pass", "Enter pass", "text", "Escape text"]);
  const ids = ["text", "rich", "rich", "link", "inner", "app", "editor", "line", "label", "holder", "box"];
  expect(names.slice(-ids.length)).toEqual(ids);
  expect(app.beacons.filter((beacon) => JSON.stringify(beacon).includes(secret))).toEqual([]);
});

test("how an element is named", async ({ app, open, run }) => {
  const cases: [string, string][] = [
    [`<div data-action-name="given"><button data-click>text</button></div>`, "text"],
    [`<button data-action-name="given" aria-label="label">text</button>`, "given"],
    [`<button aria-label="label" title="title">text</button>`, "label"],
    [
      `<a href="#" title="title">  more
        <b>text</b></a>`,
      "more text",
    ],
    [`<button title="title" name="name"></button>`, "title"],
    [`<input name="name" id="id">`, "name"],
    [`<div data-action-name="region"><p data-click>text</p></div>`, "region"],
    [`<p id="id">text</p>`, "id"],
    [`<p>text</p>`, "p"],
    [`<button>${"\u20ac".repeat(100)}</button>`, "\u20ac".repeat(85)],
  ];
  await open({ html: cases.map(([html]) => `<section>${html}</section>`).join("") });
  await run(clickEach, "section [data-click], section > :only-child:not(:has([data-click]))");
  await app.event((event) => event["action.name"] === cases.at(-1)?.[1]);
  expect(actions(app).map((event) => event["action.name"])).toEqual(cases.map(([, name]) => name));
});

test("startAction: what follows belongs to it until it ends", async ({ app, start, run, leave }) => {
  await start();
  await run(async () => {
    const action = kept.agent.startAction("import", { rows: 3 });
    await fetch("/inside");
    // Where the clock is coarse, what follows may begin in the same millisecond.
    const now = performance.now();
    performance.now = () => now;
    action.end();
    action.end();
    const outside = fetch("/outside");
    Reflect.deleteProperty(performance, "now");
    await outside;
  });
  expect(await leave("/outside")).not.toHaveProperty("action.id");
  const told = await app.event(action);
  expect(told).toMatchObject({ "action.kind": "custom", "action.name": "import", "event_properties.rows": 3 });
  expect(await app.event(to("/inside"))).toHaveProperty("action.id", told.id);
  expect(actions(app)).toHaveLength(1);
});

test("startAction lasts until its end is told, not only until its last request", async ({ app, start, run }) => {
  await start();
  const took = await run(() => {
    const before = performance.now();
    const action = kept.agent.startAction("compute");
    const begun = performance.now();
    while (performance.now() - begun < 60);
    action.end();
    return performance.now() - before;
  });
  const told = await app.event(action);
  expect(told.duration).toBeGreaterThanOrEqual(59);
  expect(told.duration).toBeLessThanOrEqual(took + 1);
});

test("an action lasts 50 s at most, whatever is still under way", async ({ page, app, open, leave }) => {
  await open({
    html: `<button onclick="fetch('/endless?hold=endless')">Go</button>`,
    before: "later = 0; now = performance.now.bind(performance); performance.now = () => now() + later;",
  });
  await page.click("button");
  await app.received("/endless");
  await page.evaluate("later = 50_000");
  const click = await app.event(action);
  await page.evaluate(() => fetch("/later"));
  expect(await leave("/later")).not.toHaveProperty("action.id");
  expect(await app.event(to("/endless"))).toHaveProperty("action.id", click.id);
});

test("an action that the page's end cuts off is told", async ({ page, app, open }) => {
  await open({ html: `<button onclick="fetch('/a?hold=a')">Go</button>` });
  await page.click("button");
  await app.received("/a");
  await page.goto("about:blank");
  const click = await app.event(action);
  expect(await app.event(to("/a"))).toMatchObject({ "action.id": click.id, "error.reason": "abort" });
});

test("nobody watches the DOM while nothing goes on, nor after shutdown", async ({ page, app, open }) => {
  await open({
    html: "<button>Go</button>",
    before: `
      // What a driver watches in the page is not the whole document.
      watching = new Set();
      const { observe, disconnect } = MutationObserver.prototype;
      MutationObserver.prototype.observe = function (target, options) {
        if (options.subtree) watching.add(this);
        return observe.call(this, target, options);
      };
      MutationObserver.prototype.disconnect = function () { watching.delete(this); return disconnect.call(this); };`,
  });
  expect(await page.evaluate("watching.size")).toBe(0);
  await page.click("button");
  await app.event(action);
  expect(await page.evaluate("watching.size")).toBe(0);
  expect(
    await page.evaluate(async () => {
      const action = throughline.startAction("open");
      const during = (window as unknown as { watching: Set<unknown> }).watching.size;
      action.end();
      await throughline.shutdown();
      document.querySelector("button")?.click();
      await fetch("/after");
      return during;
    }),
  ).toBe(1);
  expect(await page.evaluate("watching.size")).toBe(0);
  await page.goto("about:blank");
  expect(actions(app).map((event) => event["action.name"])).toEqual(["Go", "open"]);
});
