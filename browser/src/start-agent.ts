import type { Clock } from "./clock";
import { createSender, type Sender } from "./create-sender";
import type { Identity } from "./identity";
import { createLosses, type Losses } from "./losses";
import type { Api } from "./public-api";
import { randomHex } from "./random-hex";
import { type RequestFacts, requestEvent } from "./request-event";
import type { Config } from "./resolve-config";
import type { NavigationEntry, TimingEntry } from "./timing-entry";
import type { Activity } from "./track-activity";
import { type Call, type CallObserver, type CallTracker, type Head, trackCalls } from "./track-calls";
import { whenIdle } from "./when-idle";
import { wrapFetch } from "./wrap-fetch";
import { wrapXhr, type XhrState } from "./wrap-xhr";

/** An event on its way home: its fields as the beacon format names them. */
export type Fields = Record<string, unknown>;

/** The agent at work on a page, as its features see it. */
export interface Agent {
  readonly _config: Config;
  readonly _identity: Identity;
  readonly _losses: Losses;
  _sender: Sender;
  /** What began before, by performance.now(), is left out: it was told, or nobody agreed to tell it. */
  readonly _since: number;
  /** Functions of the public API that a feature brings. */
  readonly _api: Partial<Api>;
  readonly _calls: CallObserver[];
  readonly _xhrs: WeakMap<XMLHttpRequest, XhrState>;
  _track: CallTracker;
  /** Told at once of each timing entry of a resource, the agent's own included. */
  readonly _resources: ((entry: TimingEntry) => void)[];
  /** Each gets every event before it is sent, and gives what is sent in its place; undefined drops it. */
  readonly _filters: ((event: Fields) => Fields | undefined)[];
  /** Run once with the entry of the page load, when it is complete or the page is left. */
  readonly _loads: ((entry: NavigationEntry) => void)[];
  /** Run when the page is left, before what waits is sent; gone: for good. */
  readonly _leaving: ((gone: boolean) => void)[];
  /** Run at the end. */
  readonly _undo: (() => void)[];
  /** Measures the server's clock. */
  _clock?: Clock;
  /** Whether nothing of this session is told. */
  _isOut?: (session: string) => boolean;
  /** Whether the next request gets no trace context, so that the backend decides. */
  _isLeftOut?: () => boolean;
  /** Whether requests to this URL fail with our headers. */
  _isRejected?: (url: string) => boolean;
  /** Where a call that failed for this reason may be sent once more as it was given: whether it is to be, some time later. */
  _retry?: (call: Call, reason: string) => Promise<boolean> | false;
  /** Sends a synchronous XMLHttpRequest that failed once more, if that may help; it throws where that fails too. */
  _sendsAgain?: (request: XMLHttpRequest, state: XhrState, reason: string) => boolean;
  /** Adds to the event of a request what its timing entry tells beyond the link. */
  _detail?: (event: Fields, entry: TimingEntry) => void;
  /** The field that names the user's action to which events of this moment belong; without one: of now. */
  _action?: (at?: number) => object;
  _activity?: Activity;
  /** What explains the value that a web vital has; undefined where that is not known. */
  _explain?: (name: string, value: number) => object | undefined;
  /** Whose the events of this moment are. */
  _head(): Head;
  /** Whose the events of the page load are. */
  _first(): Head;
  /** Sends an event. */
  _emit(event: Fields, head: Head): void;
  /** From now on events are of another view, or have other attributes. */
  _change(head: Partial<Head>): void;
  _listen(target: EventTarget, type: string, handle: (event: never) => void, capture?: boolean): void;
  /** Observes entries of the Performance Timeline, those from before included; nothing where the engine has none. */
  _observe(type: string, handle: (entry: PerformanceEntry) => void): PerformanceObserver;
  _flush(): Promise<void>;
  /** Restores what was replaced, and ends; forget: without sending what waits. */
  _stop(forget?: boolean): void;
}

/** A part of the agent that it can do without. */
export type Feature = (agent: Agent) => void;

/** How long timing entries wait at most to be read, and how many. */
const READ_MS = 500;
const MAX_WAITING = 50;

const KINDS: Record<string, "fetch" | "xhr" | undefined> = { fetch: "fetch", xmlhttprequest: "xhr" };

/** Starts what links requests, and the features. What the page did before since is left out. */
export function startAgent(config: Config, identity: Identity, features: readonly Feature[], since: number): Agent {
  const losses = createLosses();
  const guard = losses._guard;
  const page = self.document as (Document & { prerendering?: boolean }) | undefined;
  /** Calls that started before could not be given headers. */
  const began = performance.now();
  let running = true;
  const view = randomHex(8);
  let head: Head = { _session: "", _view: view };
  let first = head;
  const change = (part: Partial<Head>) => {
    head = { ...head, ...part };
    if (head._view === view) first = head;
  };

  const agent = {
    _config: config,
    _identity: identity,
    _losses: losses,
    _since: since,
    _api: {},
    _calls: [],
    _xhrs: new WeakMap(),
    _resources: [],
    _filters: [],
    _loads: [(entry) => watched("document", entry, agent._first())],
    _leaving: [],
    _undo: [],
    _head() {
      // Asking writes it down.
      const session = running ? identity._session() : head._session;
      if (session !== head._session) change({ _session: session });
      return head;
    },
    _first() {
      agent._head();
      return first;
    },
    _emit(event, of) {
      guard(() => {
        if (!running || agent._isOut?.(of._session)) return;
        let sent: Fields | undefined = event;
        for (const filter of agent._filters) sent = sent && filter(sent);
        if (sent) agent._sender._enqueue(sent, of);
      });
    },
    _change(part) {
      // What waits is from before.
      readTimings(true);
      change(part);
    },
    _listen(target, type, handle, capture) {
      const listener = (event: Event) => guard(() => handle(event as never));
      target.addEventListener(type, listener, capture);
      agent._undo.push(() => target.removeEventListener(type, listener, capture));
    },
    _observe(type, handle) {
      const observer = new PerformanceObserver((list, _, info?: { droppedEntriesCount?: number }) => {
        losses._count("timing_buffer_full", info?.droppedEntriesCount ?? 0);
        for (const entry of guard(() => list.getEntries()) ?? []) guard(() => handle(entry));
      });
      guard(() => observer.observe({ type, buffered: true }));
      agent._undo.push(() => observer.disconnect());
      return observer;
    },
    _flush() {
      guard(() => readTimings(true));
      guard(() => tracker._hurry());
      return agent._sender._flush();
    },
    _stop(forget) {
      running = false;
      agent._undo.map(guard);
      agent._sender._stop(forget);
    },
  } as Omit<Agent, "_sender" | "_track"> as Agent;

  agent._sender = createSender(agent, self.fetch.bind(self));
  const tellRequest = (facts: RequestFacts, entry: TimingEntry | undefined, of: Head) => {
    const event = requestEvent(facts, config._told(facts._url), entry, agent._clock);
    if (entry) agent._detail?.(event, entry);
    agent._emit(event, of);
  };
  const tracker = trackCalls(agent, tellRequest);
  agent._track = tracker;
  /** A request that the agent can only watch. */
  const watched = (kind: RequestFacts["_kind"], entry: TimingEntry, of = agent._head()) =>
    tellRequest(
      { _id: randomHex(8), _kind: kind, _url: entry.name, _action: agent._action?.(entry.startTime) },
      entry,
      of,
    );

  // Timing entries are read in groups, when the page has nothing better to do.
  let entries: TimingEntry[] = [];
  let observer: PerformanceObserver | undefined;
  const readTimings = (all?: boolean) => {
    const group = entries;
    entries = [];
    if (all && observer) group.push(...(observer.takeRecords() as TimingEntry[]));
    for (const entry of group) guard(() => readTiming(entry));
  };
  const readTiming = (entry: TimingEntry) => {
    const { initiatorType: initiator, name, startTime: start } = entry;
    if (start < since || initiator === "beacon" || config._own.includes(name)) return;
    const kind = KINDS[initiator];
    if (kind && start >= began) tracker._match(entry);
    else {
      losses._count("before_agent", kind ? 1 : 0);
      watched(kind ?? "resource", entry);
    }
  };

  for (const feature of features) guard(() => feature(agent));

  // Not before: they may leave some out.
  observer = agent._observe("resource", (entry) => {
    for (const observe of agent._resources) guard(() => observe(entry as TimingEntry));
    const waiting = entries.push(entry as TimingEntry);
    if (waiting === 1) whenIdle(() => guard(readTimings), READ_MS);
    if (waiting === MAX_WAITING) readTimings();
  });

  if (page) {
    const tellLoad = (leaving?: boolean) => {
      const [entry] = performance.getEntriesByType("navigation") as unknown as NavigationEntry[];
      // Nobody has seen a prerendered page yet, and perhaps nobody will.
      if (since || !entry || page.prerendering || !(entry.loadEventEnd || leaving)) return;
      // What they tell may prove the clock.
      readTimings(true);
      for (const run of agent._loads.splice(0)) guard(() => run(entry));
    };
    // The end of the load event is known after its last listener.
    agent._listen(self, "load", () => setTimeout(() => guard(tellLoad)));
    agent._listen(page, "prerenderingchange", () => tellLoad());
    tellLoad();

    /** The page will not come back. */
    let gone = false;
    const leave = () => {
      guard(() => tellLoad(true));
      guard(() => readTimings(true));
      guard(() => tracker._hurry(gone));
      for (const run of agent._leaving) guard(() => run(gone));
      agent._sender._leave(gone);
    };
    // On window, which hears it last: web-vitals reports its final values on document.
    agent._listen(self, "visibilitychange", () => page.visibilityState === "hidden" && leave());
    // Where the page is gone, this comes before visibilitychange.
    agent._listen(self, "pagehide", (event: PageTransitionEvent) => {
      gone = !event.persisted;
      leave();
    });
  }

  guard(() => wrapFetch(agent, tracker));
  guard(() => wrapXhr(agent, tracker));
  return agent;
}
