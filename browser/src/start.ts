import { cleanUrl } from "./clean-url";
import { createClock } from "./clock";
import { createSender } from "./create-sender";
import { createIdentity } from "./identity";
import type { Handle } from "./index";
import { createLosses } from "./losses";
import { navigationEvent } from "./navigation-event";
import { observeVitals } from "./observe-vitals";
import { pageStorage } from "./page-storage";
import { type RequestFacts, requestEvent } from "./request-event";
import type { Config } from "./resolve-config";
import type { TimingEntry } from "./timing-entry";
import { trackCalls } from "./track-calls";
import { wrapFetch } from "./wrap-fetch";
import { wrapXhr } from "./wrap-xhr";

const KINDS: Record<string, "fetch" | "xhr" | undefined> = { fetch: "fetch", xmlhttprequest: "xhr" };

/**
 * Wires the parts of the agent together. What the page did before since is left out; stopped runs once, at shutdown.
 */
export function start(config: Config, since: number, stopped: () => void): Handle {
  const losses = createLosses();
  const guard = losses._guard;
  const identity = createIdentity(pageStorage(), Date.now);
  const clock = createClock(performance.timeOrigin);
  const sender = createSender(config, identity, clock, losses, window.fetch.bind(window));
  const undo: (() => void)[] = [];
  /** Calls that started before could not be given headers. */
  const began = performance.now();
  let running = true;

  const emit = (event: object, session = identity._session()) => {
    if (running) guard(() => sender._enqueue(event, session));
  };
  const tracker = trackCalls(config, identity, losses, (call) =>
    emit(requestEvent(call, call._entry, clock), call._session),
  );
  /** A request that the agent can only watch. */
  const watched = (kind: RequestFacts["_kind"], entry: TimingEntry) =>
    emit(requestEvent({ _kind: kind, _url: cleanUrl(entry.name) }, entry, clock));

  const listen = (target: EventTarget, type: string, handle: (event: never) => void) => {
    const listener = (event: Event) => guard(() => handle(event as never));
    target.addEventListener(type, listener);
    undo.push(() => target.removeEventListener(type, listener));
  };

  const readTimings = (entries: PerformanceEntryList) => {
    for (const entry of entries as TimingEntry[]) {
      guard(() => {
        if (entry.startTime < since || entry.name === config._endpoint) return;
        const initiator = entry.initiatorType;
        const kind = KINDS[initiator];
        if (kind && entry.startTime >= began) tracker._match(entry);
        else if (initiator !== "beacon" && cleanUrl(entry.name) !== config._script) watched(kind ?? "resource", entry);
      });
    }
  };
  const observer = new PerformanceObserver((list, _, info?: { droppedEntriesCount?: number }) => {
    if (info?.droppedEntriesCount) losses._count("timing_buffer_full", info.droppedEntriesCount);
    readTimings(list.getEntries());
  });
  observer.observe({ type: "resource", buffered: true });
  undo.push(() => observer.disconnect());

  // Each is told once, when it is complete or the page is left.
  let documentTold = since > 0;
  let navigationTold = since > 0;
  const tellPage = (hiding?: boolean, gone?: boolean) => {
    // Nobody has seen the page yet, and perhaps nobody will.
    if ((document as { prerendering?: boolean }).prerendering) return;
    const [entry] = performance.getEntriesByType("navigation") as (TimingEntry & PerformanceNavigationTiming)[];
    if (!entry) return;
    if (!documentTold && (entry.responseEnd || hiding)) {
      documentTold = true;
      watched("document", entry);
    }
    if (!navigationTold && (entry.loadEventEnd || gone)) {
      navigationTold = true;
      emit(navigationEvent(entry));
    }
  };
  guard(tellPage);
  for (const type of ["DOMContentLoaded", "prerenderingchange"]) listen(document, type, () => tellPage());
  // The end of the load event is known after its last listener.
  listen(window, "load", () => setTimeout(() => guard(tellPage)));

  listen(document, "securitypolicyviolation", (event: SecurityPolicyViolationEvent) => {
    if (event.disposition === "enforce") tracker._blocked(event.blockedURI);
  });

  /** The page will not come back. */
  let gone = false;
  const leave = () => {
    readTimings(observer.takeRecords());
    tellPage(true, gone);
    tracker._hurry(gone);
    sender._beacon(gone);
  };
  // On window, which hears it last: web-vitals reports its final values on document.
  listen(window, "visibilitychange", () => {
    if (document.visibilityState === "hidden") leave();
  });
  // Where the page is gone, this comes before visibilitychange.
  listen(window, "pagehide", (event: PageTransitionEvent) => {
    gone = !event.persisted;
    leave();
  });

  guard(() => observeVitals(emit));
  guard(() => undo.push(wrapFetch(tracker, losses)));
  guard(() => undo.push(wrapXhr(tracker, losses)));

  const flush = () => {
    guard(() => {
      readTimings(observer.takeRecords());
      tracker._hurry();
    });
    return sender._flush();
  };
  return {
    flush,
    shutdown() {
      const flushed = flush();
      if (running) {
        running = false;
        for (const restore of undo) guard(restore);
        sender._stop();
        stopped();
      }
      return flushed;
    },
  };
}
