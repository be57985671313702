import type { EngineName } from "./engines/engine";

/** A test that an engine cannot pass, because of what the engine does or has not. */
export interface Difference {
  engine: EngineName;
  /** The file of the test, in this folder. */
  file: string;
  /** Matches its full name: groups and test, joined by " > ". */
  test: RegExp;
  /** What is different, and why. */
  what: string;
  /**
   * The error with which the test fails there; one that passes is an error. Left out where the test cannot run, since
   * its driver lacks something, or may pass by chance.
   */
  fails?: RegExp;
}

const NO_LAYOUT_SHIFT = { file: "beacon.test.ts", test: /the page load's CLS$/, fails: /to include 'layout-shift'/ };
const NO_DROPPED_ENTRIES = {
  file: "beacon.test.ts",
  test: /entries that the browser dropped before the agent came are counted$/,
  fails: /must be number or bigint, received "undefined"/,
};
const NO_STREAM_UPLOAD = { file: "fidelity.test.ts", test: /^a streaming upload over HTTP\/2/ };
const NO_CROSS_ORIGIN_SERVER_TIMING =
  "shows the Server-Timing of the page's own origin alone, whatever Timing-Allow-Origin says";
const LATE_START = {
  file: "server-timing.test.ts",
  test: /requests with one URL at once: some are told apart$/,
  what: "the timing entry of a call may start after `fetch` or `send` returned, so it is left to chance what it tells apart",
};
const NO_HEAP = { file: "memory.test.ts", test: /^(a long stream|thousands of requests|what the page lets go of)/ };
const NO_LONG_FRAMES = {
  file: "events.test.ts",
  test: /^long animation frames/,
  fails: /to include 'long-animation-frame'/,
};
const NO_LONG_TASKS = { file: "events.test.ts", test: /^long tasks/, fails: /to include 'longtask'/ };
const NO_SHIFT_TARGET = { file: "vitals.test.ts", test: /^CLS says what moved$/, fails: /to include 'layout-shift'/ };
const OWN_CHROMIUM = {
  file: "views.test.ts",
  test: /^a (page from the back\/forward cache|prerendered page) is /,
  what: "starts a Chromium of its own, with what Playwright leaves out",
};
const NO_LCP = "WebKitGTK 2.50 has no Largest Contentful Paint API (Safari has it since 26.2)";
const NO_EVENT_TIMING = "WebKitGTK 2.50 has no Event Timing API (Safari has it since 26.2)";
const KEPT =
  "keeps a page with a request under way in its back/forward cache: what became of the request is told when the page comes back";
const NO_HTTP_CACHE = "WebDriver's sessions of WebKitGTK have no HTTP cache";
const NO_OFFLINE = "WebDriver has no command that cuts the network off";

export const DIFFERENCES: Difference[] = [
  { engine: "firefox", ...LATE_START },
  { engine: "firefox", ...NO_LAYOUT_SHIFT, what: "has no Layout Instability API" },
  { engine: "firefox", ...NO_DROPPED_ENTRIES, what: "does not tell a PerformanceObserver how many entries it dropped" },
  {
    engine: "firefox",
    ...NO_STREAM_UPLOAD,
    what: "sends no stream as a body: it sends the text `[object ReadableStream]`",
    fails: /expected '\[object ReadableStream\]'/,
  },
  {
    engine: "firefox",
    file: "errors.test.ts",
    test: /^a script of another origin/,
    what: "tells the page what a script of another origin threw, at least between ports of a loopback address",
    fails: /expected '1' to be 'Script error\.'/,
  },
  { engine: "firefox", ...NO_LONG_FRAMES, what: "has no Long Animation Frames API" },
  { engine: "firefox", ...NO_LONG_TASKS, what: "has no Long Tasks API" },
  { engine: "firefox", ...NO_SHIFT_TARGET, what: "has no Layout Instability API" },
  { engine: "firefox", ...OWN_CHROMIUM },
  {
    engine: "firefox",
    file: "rules.test.ts",
    test: /^service worker, bfcache, prerender/,
    what: "all times are 0 in the timing entry of a call that a service worker answered",
    fails: /to match object/,
  },
  { engine: "firefox", ...NO_HEAP, what: "WebDriver BiDi has no command that collects garbage and tells what is left" },
  {
    engine: "webkit",
    file: "beacon.test.ts",
    test: /the page load's LCP$/,
    what: NO_LCP,
    fails: /to include 'largest-contentful-paint'/,
  },
  { engine: "webkit", ...NO_LAYOUT_SHIFT, what: "has no Layout Instability API" },
  {
    engine: "webkit",
    file: "beacon.test.ts",
    test: /an interaction's INP$/,
    what: NO_EVENT_TIMING,
    fails: /to include 'event'/,
  },
  { engine: "webkit", ...NO_DROPPED_ENTRIES, what: "does not tell a PerformanceObserver how many entries it dropped" },
  {
    engine: "webkit",
    ...NO_STREAM_UPLOAD,
    what: "sends no stream as a body: fetch is rejected",
    fails: /ReadableStream uploading is not supported/,
  },
  {
    engine: "webkit",
    file: "fidelity.test.ts",
    test: /^priority reaches the network$/,
    what: "WebKitGTK sends no `priority` header",
    fails: /expected 3 to be greater than 3/,
  },
  {
    engine: "webkit",
    file: "server-timing.test.ts",
    test: /resources of another origin that shows its timing$/,
    what: NO_CROSS_ORIGIN_SERVER_TIMING,
    fails: /to match object/,
  },
  {
    engine: "webkit",
    file: "server-timing.test.ts",
    test: /a cross-origin call without context is linked by the answer, where it may be read$/,
    what: NO_CROSS_ORIGIN_SERVER_TIMING,
    fails: /to match object/,
  },
  {
    engine: "webkit",
    file: "server-timing.test.ts",
    test: /a document tells its status$/,
    what: "has no `responseStatus`",
    fails: /expected undefined to be 200/,
  },
  {
    engine: "webkit",
    file: "server-timing.test.ts",
    test: /after 103 Early Hints the answer begins with its own headers$/,
    what: "tells nothing of 103 Early Hints",
    fails: /must be number or bigint, received "undefined"/,
  },
  { engine: "webkit", ...LATE_START },
  {
    engine: "webkit",
    file: "server-timing.test.ts",
    test: /a cached document and a cached resource/,
    what: NO_HTTP_CACHE,
  },
  {
    engine: "webkit",
    file: "server-timing.test.ts",
    test: /stale: the answer came from the HTTP cache$/,
    what: NO_HTTP_CACHE,
  },
  { engine: "webkit", ...NO_LONG_FRAMES, what: "has no Long Animation Frames API" },
  { engine: "webkit", ...NO_LONG_TASKS, what: "has no Long Tasks API" },
  { engine: "webkit", ...NO_SHIFT_TARGET, what: "has no Layout Instability API" },
  {
    engine: "webkit",
    file: "vitals.test.ts",
    test: /^(LCP says|without the second file|the package brings)/,
    what: NO_LCP,
    fails: /to include 'largest-contentful-paint'/,
  },
  { engine: "webkit", file: "vitals.test.ts", test: /^INP says/, what: NO_EVENT_TIMING, fails: /to include 'event'/ },
  {
    engine: "webkit",
    file: "views.test.ts",
    test: /^web vitals of the page load belong to its view/,
    what: NO_LCP,
    fails: /to include 'largest-contentful-paint'/,
  },
  {
    engine: "webkit",
    file: "views.test.ts",
    test: /^a page that was left before it was loaded/,
    what: "driven by WebDriver, does not leave a page that is not loaded",
    fails: /timed out/,
  },
  { engine: "webkit", ...OWN_CHROMIUM },
  {
    engine: "webkit",
    file: "actions.test.ts",
    test: /^an action (lasts 50 s at most|that the page's end cuts off)/,
    what: KEPT,
    fails: /timed out/,
  },
  {
    engine: "webkit",
    file: "fidelity.test.ts",
    test: /a request under way when the page is left was aborted$/,
    what: KEPT,
    fails: /timed out/,
  },
  { engine: "webkit", file: "engine-facts.test.ts", test: /of a copy from the HTTP cache$/, what: NO_HTTP_CACHE },
  { engine: "webkit", file: "engine-facts.test.ts", test: /of an answer that a 304 confirmed/, what: NO_HTTP_CACHE },
  { engine: "webkit", file: "beacon.test.ts", test: /hidden while offline keeps its events/, what: NO_OFFLINE },
  { engine: "webkit", file: "fidelity.test.ts", test: /offline is no_network$/, what: NO_OFFLINE },
  { engine: "webkit", file: "retry.test.ts", test: /while the browser is offline$/, what: NO_OFFLINE },
  { engine: "webkit", file: "delivery.test.ts", test: /(> offline, |while offline: |online again$)/, what: NO_OFFLINE },
  { engine: "webkit", file: "rules.test.ts", test: /^a cached page replays/, what: NO_HTTP_CACHE },
  { engine: "webkit", ...NO_HEAP, what: "WebDriver has no command that collects garbage and tells what is left" },
];

/** What is known of this test in this engine. */
export function differenceOf(engine: string, file: string, test: string): Difference | undefined {
  return DIFFERENCES.find((known) => known.engine === engine && known.file === file && known.test.test(test));
}

/** The table of docs/browsers.md. */
export function differencesTable(): string {
  const cell = (text: string) => text.replace(/\|/g, "\\|");
  const rows = DIFFERENCES.map(({ engine, file, test, what, fails }) =>
    [engine, file, `\`${cell(test.source)}\``, fails ? "fails" : "cannot run", cell(what)].join(" | "),
  );
  return ["engine | file | test | there it | because", "--- | --- | --- | --- | ---", ...rows]
    .map((row) => `| ${row} |`)
    .join("\n");
}
