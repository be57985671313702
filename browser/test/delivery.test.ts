import { describe, expect } from "vitest";
import { NOTICE } from "./compare";
import { APPLICATION, hasAll, STILL, test } from "./fixture";
import type { BeaconEvent, Server } from "./server";

// How beacons go home: packed, one at a time, when the page is left, and after the network came back.

const named = (name: string) => (event: BeaconEvent) => event["event.name"] === name;

/** How often an event of this name arrived, repetitions included. */
const arrivals = (app: Server, name: string) => app.beacons.flatMap(({ events }) => events).filter(named(name)).length;

/** As when the user turns to another tab. */
const hide = () => {
  Object.defineProperty(document, "visibilityState", { value: "hidden", configurable: true });
  document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
};

describe("compression", () => {
  const tell = async () => {
    for (let i = 0; i < 40; i++) kept.agent.addEvent("many", { i, text: "the same text ".repeat(10) });
    await kept.agent.flush();
  };
  /** Of the beacon with the most in it: its length on the wire, and unpacked. */
  const lengths = (app: Server) => {
    const longest = app.beaconBytes.indexOf(Math.max(...app.beaconBytes));
    return [Number(app.beaconHeaders[longest]?.["content-length"]), app.beaconBytes[longest] ?? 0] as const;
  };

  test("a large beacon is packed, without a preflight on another origin", async ({ page, app, other, start }) => {
    await start({ endpoint: `${other.origin}/beacon` });
    await hasAll(page);
    await page.evaluate(tell);
    await other.event(named("many"));
    const [sent, unpacked] = lengths(other);
    expect(sent).toBeLessThan(unpacked / 3);
    for (const headers of other.beaconHeaders) expect(headers["content-type"]).toMatch(/^text\/plain/);
    expect(other.requests).toEqual([]);
    expect(app.beacons).toEqual([]);
  });

  test("the page notices nothing of it", async ({ page, app, start }) => {
    await start({}, NOTICE);
    await hasAll(page);
    await page.evaluate(tell);
    await app.event(named("many"));
    const [sent, unpacked] = lengths(app);
    expect(sent).toBeLessThan(unpacked);
    expect(await page.evaluate(() => kept.seen)).toEqual([]);
  });

  test("a small one is not", async ({ page, app, start }) => {
    await start();
    await hasAll(page);
    const small = () => app.beaconBytes.findIndex((bytes) => bytes < 1_000);
    // Until one has no more in it than this event.
    while (small() < 0) {
      await page.evaluate(async () => {
        kept.agent.addEvent("one");
        await kept.agent.flush();
      });
    }
    expect(Number(app.beaconHeaders[small()]?.["content-length"])).toBe(app.beaconBytes[small()]);
  });

  test.for([
    ["is not there", "window.CompressionStream = undefined;"],
    ["fails", 'window.CompressionStream = class { constructor() { throw new Error("broken"); } };'],
  ] as const)("where CompressionStream %s, beacons go as they are", async ([, change], { page, app, start }) => {
    await start({}, change);
    await hasAll(page);
    await page.evaluate(tell);
    await app.event(named("many"));
    const [sent, unpacked] = lengths(app);
    expect(sent).toBe(unpacked);
  });

  test("a page that is hidden while a beacon is being packed sends it at once", async ({ page, app, start }) => {
    await start(
      {},
      `window.CompressionStream = class extends TransformStream {
        constructor() { super({ transform: () => new Promise(() => {}) }); }
      };`,
    );
    await hasAll(page);
    await page.evaluate((hideIt) => {
      for (let i = 0; i < 10; i++) kept.agent.addEvent("packing", { text: "the same text ".repeat(10) });
      kept.agent.flush();
      // Hidden after the compression has begun.
      queueMicrotask(() => new Function(`(${hideIt})()`)());
    }, hide.toString());
    await app.event(named("packing"));
    expect(arrivals(app, "packing")).toBe(10);
  });
});

describe("leaving", () => {
  /** Counts how often the page's last beacons go by each way. */
  const count = () => {
    const counts = { fetchLater: 0, sendBeacon: 0 };
    const { sendBeacon } = navigator;
    const { fetchLater } = window as unknown as { fetchLater: (...args: unknown[]) => unknown };
    navigator.sendBeacon = (...args) => {
      counts.sendBeacon++;
      return sendBeacon.apply(navigator, args);
    };
    Object.assign(window, {
      counts,
      fetchLater: (...args: unknown[]) => {
        counts.fetchLater++;
        return fetchLater(...args);
      },
    });
  };

  test("fetchLater is used where it is there", async ({ page, app, start }) => {
    await start({}, `(${count})();`);
    await page.evaluate(() => kept.agent.flush());
    await page.evaluate(() => kept.agent.addEvent("last"));
    await page.evaluate(hide);
    await app.event(named("last"));
    expect(await page.evaluate(() => (window as unknown as { counts: object }).counts)).toEqual({
      fetchLater: 1,
      sendBeacon: 0,
    });
  });

  test("where it refuses, fetch with keepalive is", async ({ page, app, start }) => {
    await start({}, 'window.fetchLater = () => { throw new DOMException("full", "QuotaExceededError"); };');
    await page.evaluate(() => kept.agent.addEvent("last"));
    await page.goto("about:blank");
    await app.event(named("last"));
  });

  test("where keepalive is not known either, sendBeacon is", async ({ page, app, start }) => {
    await start({}, `window.fetchLater = undefined; delete Request.prototype.keepalive; (${count})();`);
    await page.evaluate(() => kept.agent.flush());
    await page.evaluate(() => kept.agent.addEvent("last"));
    await page.evaluate(hide);
    await app.event(named("last"));
    expect(await page.evaluate(() => (window as unknown as { counts: object }).counts)).toHaveProperty("sendBeacon", 1);
  });

  test("what cannot be sent then stays, and goes out later", async ({ page, app, start }) => {
    await start({}, "window.fetchLater = undefined;");
    await page.evaluate(() => kept.agent.flush());
    app.answerBeacon = () => 503;
    const before = app.beaconBytes.length;
    await page.evaluate(() => kept.agent.addEvent("last"));
    await page.evaluate(hide);
    // flush() does not wait for what a hidden page has sent.
    await expect.poll(() => app.beaconBytes.length, { timeout: 10_000 }).toBeGreaterThan(before);
    app.answerBeacon = () => 202;
    // By itself, after it has read that the server was not able to take it.
    await app.event(named("last"));
  });
});

describe("the page's own requests come first", () => {
  test("beacons go one at a time, with low priority", async ({ page, app, open }) => {
    await open({
      before: `
        const seen = { under: 0, most: 0, priorities: [] };
        window.kept = { seen };
        const { fetch } = window;
        window.fetch = async (...args) => {
          if (!String(args[0]).endsWith("/beacon")) return fetch(...args);
          seen.priorities.push(args[1].priority);
          seen.most = Math.max(seen.most, ++seen.under);
          try { return await fetch(...args); } finally { seen.under--; }
        };`,
    });
    await page.evaluate(async () => {
      const { throughline } = self as unknown as { throughline: typeof kept.agent };
      for (let i = 0; i < 120; i++) throughline.addEvent("many", { text: `${Math.random()}`.repeat(60) });
      await Promise.all([throughline.flush(), throughline.flush()]);
    });
    const seen = await page.evaluate(() => (kept as unknown as { seen: { most: number; priorities: string[] } }).seen);
    expect(app.beacons.length).toBeGreaterThan(2);
    expect(seen.most).toBe(1);
    expect(new Set(seen.priorities)).toEqual(new Set(["low"]));
  });

  test("an event that no beacon can hold is counted, and holds up no other", async ({ page, app, start }) => {
    await start();
    await page.evaluate(async () => {
      const large = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`p${i}`, `${Math.random()}`.repeat(170)]));
      kept.agent.addEvent("large", large);
      kept.agent.addEvent("small");
      await kept.agent.flush();
    });
    await app.event(named("small"));
    expect(arrivals(app, "large")).toBe(0);
    const [dropped] = app.beacons.map((beacon) => beacon.dropped).filter(Boolean);
    expect(dropped).toEqual({ too_large: 1 });
  });
});

describe("failures", () => {
  test("flush() with nothing to send holds up nothing", async ({ page, app, start }) => {
    await start();
    await page.evaluate(async () => {
      for (let i = 0; i < 5; i++) await kept.agent.flush();
      kept.agent.addEvent("later");
      await kept.agent.flush();
    });
    await app.event(named("later"));
  });

  test("a server that asks for patience gets it", async ({ page, app, start }) => {
    await start({}, STILL);
    await page.evaluate(() => kept.agent.flush());
    app.answerBeacon = () => 429;
    app.answerHeaders = { "Retry-After": "20" };
    await page.evaluate(async () => {
      kept.agent.addEvent("patient");
      await kept.agent.flush();
    });
    app.answerBeacon = () => 202;
    const tries = app.beaconBytes.length;
    await page.evaluate(() => kept.pass(19_000));
    expect(app.beaconBytes).toHaveLength(tries);
    await page.evaluate(() => kept.pass(1_500));
    await app.event(named("patient"));
  });
});

/** Resolves when the database has done what it was asked for before. */
const stored = () =>
  new Promise<void>((resolve) => {
    const request = indexedDB.open("throughline");
    request.onsuccess = () => {
      const transaction = request.result.transaction("beacons");
      transaction.objectStore("beacons").count();
      transaction.oncomplete = () => {
        request.result.close();
        resolve();
      };
    };
  });

/** Each way to lose the page while nothing can be sent. */
const AWAY: Record<string, { offline: boolean; status: number; flushed: boolean }> = {
  "offline, after an attempt": { offline: true, status: 0, flushed: true },
  "offline, at once": { offline: true, status: 0, flushed: false },
  "while the server answers 503": { offline: false, status: 503, flushed: true },
  "while the server cuts connections": { offline: false, status: 0, flushed: true },
};

describe("a page that is left", () => {
  test.for(Object.entries(AWAY))(
    "%s: its events arrive with the next page, once",
    async ([, { offline, status, flushed }], { page, context, app, start }) => {
      await start();
      await hasAll(page);
      await page.evaluate(() => kept.agent.flush());
      if (offline) {
        await context.setOffline(true);
        await page.evaluate(() => navigator.onLine && new Promise((resolve) => addEventListener("offline", resolve)));
      }
      app.answerBeacon = () => status;
      await page.evaluate(async (flush) => {
        kept.agent.addEvent("kept");
        if (flush) await kept.agent.flush();
        kept.agent.addEvent("kept too");
      }, flushed);
      await page.goto("about:blank");
      expect(app.events.filter((event) => event.type === "custom")).toEqual([]);
      if (offline) await context.setOffline(false);
      app.answerBeacon = () => 202;
      await page.goto(`${app.origin}/page?data-application-id=${APPLICATION}`);
      await app.event(named("kept"));
      await app.event(named("kept too"));
      // What the server counts: repetitions have the id of the first.
      expect(app.events.filter((event) => event.type === "custom")).toHaveLength(2);
      const beacon = app.beacons.find(({ events }) => events.some(named("kept")));
      expect(Number(beacon?.sent)).toBeGreaterThan(Number(beacon?.time_origin));
    },
  );

  test("offline, with a beacon under way: the same", async ({ page, context, app, start }) => {
    await start(
      {},
      `const { fetch } = window;
      window.fetch = (...args) => window.hanging ? new Promise(() => {}) : fetch(...args);`,
    );
    await hasAll(page);
    await page.evaluate(() => kept.agent.flush());
    await context.setOffline(true);
    await page.evaluate(async () => {
      Object.assign(window, { hanging: true });
      kept.agent.addEvent("kept");
      kept.agent.flush();
      await new Promise((resolve) => requestAnimationFrame(resolve));
      kept.agent.addEvent("kept too");
    });
    await page.goto("about:blank");
    await context.setOffline(false);
    await start();
    await app.event(named("kept"));
    await app.event(named("kept too"));
  });

  test("a tab that is closed while offline: the same", async ({ context, app, start }) => {
    await start();
    const tab = await context.newPage();
    await tab.goto(`${app.origin}/module`);
    await tab.evaluate(async (applicationId) => {
      kept.exported.init({ applicationId });
      await kept.exported.flush();
    }, APPLICATION);
    await hasAll(tab);
    await context.setOffline(true);
    await tab.evaluate(async () => {
      kept.exported.addEvent("kept");
      await kept.exported.flush();
    });
    await tab.close();
    await context.setOffline(false);
    await start();
    await app.event(named("kept"));
  });

  test("keeps a bounded part: the newest", async ({ page, app, start }) => {
    await start();
    await hasAll(page);
    await page.evaluate(() => kept.agent.flush());
    app.answerBeacon = () => 503;
    await page.evaluate(async () => {
      for (let i = 0; i < 900; i++) kept.agent.addEvent(`event ${i}`, { text: `${Math.random()}`.repeat(200) });
      await kept.agent.flush();
    });
    await page.evaluate(stored);
    await page.goto("about:blank");
    app.answerBeacon = () => 202;
    await start();
    await app.event(named("event 899"));
    await page.evaluate(stored);
    await page.evaluate(() => kept.agent.flush());
    const told = app.events.filter((event) => event.type === "custom");
    expect(told.length).toBeGreaterThan(50);
    expect(told.length).toBeLessThan(900);
  });

  test("sends what it kept by itself when it is online again", async ({ page, context, app, start }) => {
    await start();
    await hasAll(page);
    await page.evaluate(() => kept.agent.flush());
    await context.setOffline(true);
    await page.evaluate(async () => {
      kept.agent.addEvent("kept");
      await kept.agent.flush();
    });
    await context.setOffline(false);
    await app.event(named("kept"));
    await page.goto(`${app.origin}/page?data-application-id=${APPLICATION}`);
    await app.event((event) => String(event["url.full"]).includes("/page"));
    await page.evaluate(() => fetch("/end"));
    await page.goto("about:blank");
    await app.event((event) => String(event["url.full"]).endsWith("/end"));
    // What the server counts: repetitions have the id of the first.
    expect(app.events.filter(named("kept"))).toHaveLength(1);
  });
});
