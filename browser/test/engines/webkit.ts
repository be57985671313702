import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import type { Readable } from "node:stream";
import { setTimeout } from "node:timers/promises";
import type { Started } from "./engine";
import { command } from "./webdriver";

/** Starts a display and so many drivers of WebKitGTK. A driver starts a browser for each session, and ends it with it. */
export async function startWebKit(drivers: number): Promise<Started> {
  const children: ChildProcess[] = [];
  const stop = async () => {
    for (const child of children.reverse()) await end(child);
  };
  const start = (program: string, options: string[], env = process.env) => {
    const child = spawn(program, options, { env, stdio: ["ignore", "ignore", "ignore", "pipe"] });
    children.push(child);
    const ended = once(child, "exit").then(([code]) => Promise.reject(new Error(`${program} ended with ${code}`)));
    ended.catch(() => {});
    return { ended, told: () => once(child.stdio[3] as Readable, "data") };
  };
  process.once("exit", () => {
    for (const child of children) child.kill();
  });
  try {
    const display = start("Xvfb", ["-displayfd", "3", "-screen", "0", "1280x1024x24", "-nolisten", "tcp"]);
    const [number] = await Promise.race([display.told(), display.ended]);
    const env = {
      ...process.env,
      DISPLAY: `:${String(number).trim()}`,
      WEBKIT_DISABLE_DMABUF_RENDERER: "1", // there is no GPU to share memory with
      NO_AT_BRIDGE: "1", // nor a bus for assistive technology
    };
    const urls: string[] = [];
    for (let i = 0; i < drivers; i++) {
      const port = await freePort();
      const driver = start("WebKitWebDriver", ["--host=127.0.0.1", `--port=${port}`], env);
      const url = `http://127.0.0.1:${port}`;
      await Promise.race([ready(url), driver.ended]);
      urls.push(url);
    }
    return { address: { name: "webkit", version: await versionOf(urls[0] ?? ""), urls }, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The driver tells nobody when it listens. */
async function ready(url: string): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    try {
      await command(url, "GET", "/status");
      return;
    } catch {
      await setTimeout(50);
    }
  }
  throw new Error("WebKitWebDriver does not answer");
}

async function versionOf(url: string): Promise<string> {
  const session = (await command(url, "POST", "/session", { capabilities: {} })) as {
    sessionId: string;
    capabilities: { browserVersion: string };
  };
  await command(url, "DELETE", `/session/${session.sessionId}`);
  return session.capabilities.browserVersion;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill();
  await exited;
}
