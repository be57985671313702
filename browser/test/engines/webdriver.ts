import { setTimeout } from "node:timers/promises";
import type { Engine, EngineAddress, Page, Profile } from "./engine";

/** Connects to one of the drivers that startWebKit started: the one of this worker. Each takes one session at a time. */
export async function connectWebDriver({ urls }: EngineAddress): Promise<Engine> {
  const url = urls[Number(process.env.VITEST_POOL_ID) - 1];
  if (!url) throw new Error("there are fewer drivers than workers");
  let idle: Session | undefined;
  return {
    newProfile: async (helpers) => {
      const session = idle ?? (await newSession(url));
      idle = undefined;
      return newProfile(session, helpers, (clean) => {
        idle = clean;
      });
    },
    close: async () => {
      await idle?.end();
    },
  };
}

/** Sends a command of WebDriver (W3C); resolves with its value. */
export async function command(url: string, method: string, path: string, parameters?: object): Promise<unknown> {
  const response = await fetch(url + path, {
    method,
    body: method === "POST" ? JSON.stringify(parameters ?? {}) : null,
  });
  const { value } = (await response.json()) as { value: unknown };
  if (!response.ok) throw new Error(`WebDriver: ${method} ${path}: ${(value as { message: string }).message}`);
  return value;
}

/** A browser of its own. */
interface Session {
  /** The window that commands go to now. */
  current: string;
  /** Commands that are not answered. */
  waiting: number;
  send: Send;
  end(): Promise<void>;
}

async function newSession(url: string): Promise<Session> {
  const { sessionId } = (await command(url, "POST", "/session", {
    // A limit for scripts is a timer of the page, which the page may have replaced: the test's own limit holds.
    capabilities: { alwaysMatch: { acceptInsecureCerts: true, timeouts: { script: null, pageLoad: 15_000 } } },
  })) as { sessionId: string };
  const at = `/session/${sessionId}`;
  const session: Session = {
    current: String(await command(url, "GET", `${at}/window`)),
    waiting: 0,
    send: async (method, path, parameters) => {
      session.waiting++;
      try {
        return await command(url, method, at + path, parameters);
      } finally {
        session.waiting--;
      }
    },
    end: async () => void (await command(url, "DELETE", at)),
  };
  return session;
}

/**
 * A session takes seconds to start, so it serves one test after another, each in a window of its own. Each test has its
 * own servers, and so origins and storage of its own; cookies are removed.
 */
async function newProfile(session: Session, helpers: () => void, giveBack: (clean: Session) => void): Promise<Profile> {
  const { send } = session;
  // Commands go to the window that was switched to last, so they wait for each other.
  let last: Promise<unknown> = Promise.resolve();
  const inWindow = <T>(handle: string, work: (send: Send) => Promise<T>): Promise<T> => {
    const done = last.then(async () => {
      if (session.current !== handle) await send("POST", "/window", { handle });
      session.current = handle;
      return work(send);
    });
    last = done.catch(() => {});
    return done;
  };
  const first = session.current;
  let unused: string | undefined = first;

  return {
    newPage: async () => {
      const handle = unused ?? (await inWindow(first, openTab));
      unused = undefined;
      return page((work) => inWindow(handle, work), helpers);
    },
    setOffline: () => Promise.reject(new Error("WebDriver cannot cut off the network")),
    close: async () => {
      // What a test waits for in vain would hold up the next one.
      if (session.waiting > 0) return session.end();
      try {
        const handles = (await send("GET", "/window/handles")) as string[];
        let fresh = "";
        for (const handle of handles) {
          await send("POST", "/window", { handle });
          fresh ||= await openTab(send);
          await send("DELETE", "/cookie");
          await send("DELETE", "/window");
        }
        await send("POST", "/window", { handle: fresh });
        session.current = fresh;
      } catch {
        return session.end();
      }
      giveBack(session);
    },
  };
}

/** How often it is looked whether a page is there, and how long between. */
const MAX_LOOKS = 500;
const LOOK_MS = 20;

/** Keys that are no character (WebDriver, section 15.4.2). */
const KEYS: Record<string, string> = { Enter: "\ue007", Escape: "\ue00c" };

type Send = (method: string, path: string, parameters?: object) => Promise<unknown>;

async function openTab(send: Send): Promise<string> {
  return ((await send("POST", "/window/new", { type: "tab" })) as { handle: string }).handle;
}

function page(inWindow: <T>(work: (send: Send) => Promise<T>) => Promise<T>, helpers: () => void): Page {
  let seen = "about:blank";
  return {
    goto: (address) =>
      inWindow(async (send) => {
        const run = (script: string) => send("POST", "/execute/sync", { script, args: [] });
        await run("window.left = location.href");
        await send("POST", "/url", { url: address });
        // The driver may answer while the page before is still there, or modules of the new one are loading.
        for (let tries = 0; tries < MAX_LOOKS; tries++) {
          const at = await run(
            "return window.left !== location.href && document.readyState === 'complete' && location.href",
          );
          if (at) {
            seen = String(at);
            return;
          }
          await setTimeout(LOOK_MS);
        }
        throw new Error(`WebDriver: ${address} does not load`);
      }),
    url: () => seen,
    evaluate: (task: ((argument: never) => unknown) | string, argument?: unknown) =>
      inWindow(async (send) => {
        const call =
          typeof task === "string" ? task : `(${task})(${argument === undefined ? "" : JSON.stringify(argument)})`;
        const script = `
          const done = arguments[0];
          const task = async () => {
            if (!window.helped) Object.defineProperty(window, "helped", { value: ((${helpers})(), true) });
            return ${call};
          };
          const toJson = ${toJson};
          const end = (outcome) => done({ ...outcome, seen: location.href });
          task().then((value) => end({ json: toJson({ value }) })).catch((error) => end({ error: String(error) }));`;
        const outcome = (await send("POST", "/execute/async", { script, args: [] })) as Outcome;
        seen = outcome.seen;
        if (outcome.json === undefined) throw new Error(`in the page: ${outcome.error}`);
        return JSON.parse(outcome.json, (_, value) => (value === "\u0000undefined" ? undefined : value)).value;
      }),
    heapUsed: () => Promise.reject(new Error("WebDriver does not tell of memory")),
    click: (selector) =>
      inWindow(async (send) => {
        const found = await send("POST", "/element", { using: "css selector", value: selector });
        await send("POST", `/element/${Object.values(found as object)[0]}/click`);
      }),
    keyboard: {
      press: (key) =>
        inWindow(async (send) => {
          const value = KEYS[key] ?? key;
          const actions = ["keyDown", "keyUp"].map((type) => ({ type, value }));
          await send("POST", "/actions", { actions: [{ type: "key", id: "keyboard", actions }] });
        }),
    },
    close: () => inWindow(async (send) => void (await send("DELETE", "/window"))),
  };
}

interface Outcome {
  /** The address of the page when the task was done. */
  seen: string;
  json?: string;
  error?: string;
}

/** JSON that keeps what is undefined. Runs in the page too, so it uses nothing from outside. */
function toJson(given: unknown): string {
  return JSON.stringify(given, (_, value) => (value === undefined ? "\u0000undefined" : value));
}
