import { resolveConfig } from "./resolve-config";
import { start } from "./start";
import { warn } from "./warn";

/**
 * Which URLs are meant: a regular expression (or its source text) tested against the absolute URL without user-info
 * and fragment, or a function of it. A pattern that does not compile, and a function that throws, match nothing.
 */
export type UrlPattern = RegExp | string | ((request: { url: string }) => boolean);

export interface Options {
  /** `rum.application.id`: 16 lower-case hexadecimal digits. Without it requests carry `traceparent` alone. */
  applicationId: string;
  /** Where beacons go; relative to the page. Default: `/beacon` on the page's origin. */
  endpoint?: string | URL;
  /** Key of our tracestate entry: 8 hexadecimal digits, a dash, 8 more. Default: `7468726f-75676800`. */
  tenant?: string;
  /** `false`: no request gets a header; Server-Timing still links. Default: `true`. */
  propagation?: boolean;
  /** Requests to other origins that get the headers too. Their servers must allow both (CORS). Default: none. */
  crossOriginUrlPattern?: UrlPattern;
  /** Requests that never get the headers. Default: none. */
  excludeUrlPattern?: UrlPattern;
}

export interface Handle {
  /** Sends what is known now. Resolves when the server has answered, or could not be reached; never rejects. */
  flush(): Promise<void>;
  /** Restores `fetch` and `XMLHttpRequest`, stops observing and sends what is left, as `flush` does. */
  shutdown(): Promise<void>;
}

/** Found by a second copy of the agent on the page, of whatever version. */
const RUNNING = Symbol.for("throughline.agent");

/** When the agent was shut down last: what began before was told. */
let ended = 0;

/**
 * Starts the agent on this page. It never throws: bad options are told on the console, and without a usable endpoint
 * nothing starts. There is one agent a page; another call returns the handle of the one that runs.
 */
export function init(options: Options): Handle {
  const idle = async () => {};
  try {
    const page = window as { [RUNNING]?: Handle };
    if (page[RUNNING]) {
      warn("an agent runs on this page already; this one does not start");
      return page[RUNNING];
    }
    const config = resolveConfig(options);
    if (config) {
      const handle = start(config, ended, () => {
        delete page[RUNNING];
        ended = performance.now();
      });
      page[RUNNING] = handle;
      return handle;
    }
  } catch (error) {
    warn("the agent could not start:", error);
  }
  return { flush: idle, shutdown: idle };
}
