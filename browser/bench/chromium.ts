import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";

/** One target of the Chrome DevTools Protocol: https://chromedevtools.github.io/devtools-protocol/ */
export interface Session {
  send(method: string, parameters?: object): Promise<Record<string, unknown>>;
  /** Calls handle for each event of this name; the result ends that. */
  on(event: string, handle: (parameters: never) => void): () => void;
  /** The next event of this name. */
  once(event: string): Promise<unknown>;
}

export interface Page extends Session {
  /** Minimizes the window: the page learns that it is hidden. */
  hide(): Promise<void>;
}

export interface Chromium extends Session {
  version: string;
  /** Opens a window, and closes it when run has ended. */
  withPage<T>(run: (page: Page) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** No command takes longer, the longest of all being a run of fetches. */
const COMMAND_MS = 300_000;

/**
 * Starts Chromium on a fresh profile. It is spoken to by its pipe, and no domain but those that a measurement needs is
 * enabled: Playwright's pages listen to the network, which the page's main thread pays for.
 */
export async function startChromium(executable: string): Promise<Chromium> {
  const profile = mkdtempSync(join(tmpdir(), "throughline-bench-"));
  const child = spawn(
    executable,
    [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      `--user-data-dir=${profile}`,
      "--remote-debugging-pipe",
      "about:blank",
    ],
    { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] },
  );
  const kill = () => {
    child.kill("SIGKILL");
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  };
  process.once("exit", kill);
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const commands = child.stdio[3] as Writable;

  let last = 0;
  const answers = new Map<number, { resolve: (result: never) => void; reject: (error: Error) => void }>();
  const listeners = new Set<{ session: string | undefined; event: string; handle: (parameters: never) => void }>();
  const fail = (error: Error) => {
    for (const answer of answers.values()) answer.reject(error);
    answers.clear();
  };
  child.once("error", fail);
  commands.on("error", fail);
  exited.then(() => fail(new Error("Chromium has ended")));

  let rest = "";
  (child.stdio[4] as Readable).setEncoding("utf8").on("data", (text: string) => {
    const messages = (rest + text).split("\0");
    rest = messages.pop() ?? "";
    for (const message of messages.map((json) => JSON.parse(json))) {
      const answer = answers.get(message.id);
      answers.delete(message.id);
      if (message.error) answer?.reject(new Error(message.error.message));
      else answer?.resolve(message.result as never);
      for (const { session, event, handle } of listeners) {
        if (event === message.method && session === message.sessionId) handle(message.params as never);
      }
    }
  });

  const sessionOf = (session?: string): Session => {
    const on: Session["on"] = (event, handle) => {
      const listener = { session, event, handle };
      listeners.add(listener);
      return () => listeners.delete(listener);
    };
    return {
      on,
      once: (event) =>
        new Promise((resolve) => {
          const off = on(event, (parameters) => {
            off();
            resolve(parameters);
          });
        }),
      send: (method, params = {}) =>
        new Promise((resolve, reject) => {
          const id = ++last;
          const timer = setTimeout(() => reject(new Error(`${method}: no answer`)), COMMAND_MS);
          const settle =
            <T>(then: (value: T) => void) =>
            (value: T) => {
              clearTimeout(timer);
              then(value);
            };
          answers.set(id, { resolve: settle(resolve), reject: settle(reject) });
          commands.write(`${JSON.stringify({ id, method, params, sessionId: session })}\0`);
        }),
    };
  };

  const browser = sessionOf();
  const { product } = await browser.send("Browser.getVersion");
  return {
    ...browser,
    version: String(product).replace(/^[^/]*\//, "Chromium "),
    async withPage(run) {
      const { targetId } = await browser.send("Target.createTarget", { url: "about:blank", newWindow: true });
      try {
        const { sessionId } = await browser.send("Target.attachToTarget", { targetId, flatten: true });
        return await run({
          ...sessionOf(String(sessionId)),
          async hide() {
            const { windowId } = await browser.send("Browser.getWindowForTarget", { targetId });
            await browser.send("Browser.setWindowBounds", { windowId, bounds: { windowState: "minimized" } });
          },
        });
      } finally {
        await browser.send("Target.closeTarget", { targetId });
      }
    },
    async close() {
      browser.send("Browser.close").catch(kill);
      await exited;
      process.off("exit", kill);
      kill();
    },
  };
}
