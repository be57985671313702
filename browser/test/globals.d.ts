/** Helpers that fixture.ts puts into every page. */
import type * as agent from "../src/index";

declare global {
  /** Sends an XMLHttpRequest; resolves with the status and the type of the event that ended it. */
  function xhr(
    url: string,
    options?: { method?: string; headers?: [string, string][]; body?: string; timeout?: number },
  ): Promise<{ status: number; end: string; text: string }>;

  /** Resolves when the page can read the timing entry of this URL, and so when the agent has been given it. */
  function timed(url: string): Promise<PerformanceResourceTiming>;

  /** Resolves when more than 30 ms have passed: what the user does then is an action of its own. */
  function settled(): Promise<void>;

  /** The classic script's functions. */
  const throughline: typeof agent;

  /** What the page keeps for the test: on /module the package and the browser's own functions; else what `before` put there. */
  const kept: {
    exported: typeof agent;
    agent: typeof agent;
    fetch: typeof fetch;
    fetched: Parameters<typeof fetch>[];
    cases: Record<string, () => Parameters<typeof fetch>>;
    touched: string[];
    pressed: Promise<void>;
    response: Response;
    error: Error;
    unhandled: unknown[];
    seen: string[];
    broken: boolean;
    vitals: Promise<void>;
    warned: string[];
    errors: string[];
    pass: (ms: number) => void;
  } & Pick<XMLHttpRequest, "open" | "send" | "setRequestHeader">;
}
