import { expect } from "vitest";
import { APPLICATION, test } from "./fixture";

// The agent keeps nothing of what a page has done with. Sizes are those of the heap after a garbage collection.

const MB = 1_000_000;

test("a long stream grows no memory, and is not held", async ({ page, app }) => {
  const grown = async (parameters: Record<string, string>) => {
    await page.goto(`${app.origin}/page?${new URLSearchParams(parameters)}`);
    const read = (megabytes: number) =>
      page.evaluate(async (bytes) => {
        const held = window as unknown as { reader?: ReadableStreamDefaultReader<Uint8Array> };
        held.reader ??= (await fetch("/stream?length=90000000")).body?.getReader();
        for (let left = bytes; left > 0; ) {
          const chunk = await held.reader?.read();
          if (!chunk?.value) return chunk?.done;
          left -= chunk.value.length;
        }
        return false;
      }, megabytes * MB);
    expect(await read(10)).toBe(false);
    const before = await page.heapUsed();
    expect(await read(60)).toBe(false);
    const during = await page.heapUsed();
    expect(await read(30)).toBe(true);
    const after = await page.heapUsed();
    return Math.max(during, after) - before;
  };
  const bare = await grown({ bare: "" });
  const linked = await grown({ "data-application-id": APPLICATION });
  expect(linked).toBeLessThan(Math.max(bare, 0) + MB);
}, 60_000);

test("thousands of requests leave nothing behind", async ({ page, app, start }) => {
  await start();
  const send = async (count: number) => {
    await page.evaluate(async (calls) => {
      // Each with a URL of its own: of several with one the timing is nobody's, and the calls wait for it.
      for (let i = 0; i < calls; i += 10) {
        const group = Array.from({ length: 9 }, (_, at) => fetch(`/a?${i + at}`).then((response) => response.text()));
        await Promise.all([...group, xhr(`/a?${i + 9}`)]);
      }
      const last = `/last?${performance.now()}`;
      // The page's own buffer of entries is full long since.
      const seen = new Promise<void>((resolve) => {
        const observer = new PerformanceObserver((list) => {
          if (!list.getEntries().some(({ name }) => name.endsWith(last))) return;
          observer.disconnect();
          resolve();
        });
        observer.observe({ type: "resource" });
      });
      await (await fetch(last)).text();
      await seen;
      await kept.agent.flush();
    }, count);
    app.requests.splice(0);
    return page.heapUsed();
  };
  await send(1_000);
  const before = await send(500);
  const after = await send(5_000);
  expect((after - before) / 5_000).toBeLessThan(40);
}, 120_000);

test("what the page lets go of is collected", async ({ page, start }) => {
  await start();
  await page.evaluate(async () => {
    const Weak = (window as unknown as { WeakRef: new (value: object) => object }).WeakRef;
    const refs: object[] = [];
    const hold = (value: object) => refs.push(new Weak(value));
    for (let i = 0; i < 20; i++) {
      const request = new Request("/a");
      const init = { headers: { "x-a": "1" } };
      const response = await fetch(request, init);
      await response.text();
      const error = await fetch("/a?drop", { method: "POST" }).catch((reason) => reason);
      const call = new XMLHttpRequest();
      await new Promise((resolve) => {
        call.onloadend = resolve;
        call.open("GET", "/a");
        call.send();
      });
      for (const value of [request, init, response, error, call]) hold(value);
    }
    Object.assign(kept, { refs });
    await kept.agent.flush();
  });
  await page.heapUsed();
  const alive = await page.evaluate(
    () => (kept as unknown as { refs: { deref(): unknown }[] }).refs.filter((ref) => ref.deref()).length,
  );
  // Those of the last turn may still be on the stack.
  expect(alive).toBeLessThanOrEqual(10);
});

test("an XMLHttpRequest that is used a thousand times has the listeners of one", async ({ page, open }) => {
  await open({
    before: `
      window.kept = { touched: [] };
      for (const [name, by] of [["addEventListener", 1], ["removeEventListener", -1]]) {
        const original = EventTarget.prototype[name];
        EventTarget.prototype[name] = function (type, ...rest) {
          if (this instanceof XMLHttpRequest || this instanceof XMLHttpRequestUpload) kept.touched.push(by);
          return original.call(this, type, ...rest);
        };
      }`,
  });
  const counts = await page.evaluate(async () => {
    const count = () => kept.touched.reduce((sum, by) => sum + Number(by), 0);
    const request = new XMLHttpRequest();
    const counts: number[] = [];
    for (let i = 0; i < 1_000; i++) {
      await new Promise((resolve) => {
        request.onloadend = resolve;
        request.open("GET", "/a");
        request.send();
      });
      counts.push(count());
    }
    return [counts[0], counts[999]];
  });
  expect(counts[0]).toBeGreaterThan(0);
  expect(counts[1]).toBe(counts[0]);
}, 60_000);
