import { eventProperties } from "./event-properties";
import { phases } from "./phases";
import { plainText } from "./plain-text";
import { randomHex } from "./random-hex";
import { round } from "./round";
import type { Agent, Fields } from "./start-agent";
import { tellEvent } from "./tell-event";
import { trackActivity } from "./track-activity";
import { wrapMethod } from "./wrap-method";

/** Limit of the title, in bytes. */
const MAX_TITLE = 4_096;

/**
 * Tells the page load, and each later view of the page: one that its script begins by the Navigation or History API, or
 * by `startView`, and one that the browser brings back from its back/forward cache.
 */
export function trackViews(agent: Agent): void {
  agent._activity ??= trackActivity(agent);
  const follow = agent._activity;
  const told = agent._config._told;
  /** What makes a view: changes of the query alone are no navigation to people. */
  const routeOf = (url: string) => url.replace(/\?[^#]*|#(?!!?\/).*/g, "");
  let page = location.href;

  const fieldsOf = (type: string, referrer: string): Fields => ({
    "navigation.type": type,
    "page.title": plainText(document.title, MAX_TITLE),
    "page.referrer": referrer ? told(referrer) : undefined,
  });
  const begin = (type: string, fields?: Fields) => {
    const referrer = type === "soft" ? page : "";
    page = location.href;
    agent._change({ _view: randomHex(8) });
    follow("navigation", () => ({ ...fieldsOf(type, referrer), ...fields }));
  };
  const look = () => {
    if (routeOf(location.href) !== routeOf(page)) begin("soft");
  };

  agent._api.startView = (name, properties) =>
    begin("soft", { "view.name": name && plainText(name), ...eventProperties(properties) });
  agent._listen(self, "pageshow", (event: PageTransitionEvent) => event.persisted && begin("bfcache"));

  const { navigation } = self as { navigation?: EventTarget };
  if (navigation) agent._listen(navigation, "currententrychange", look);
  else {
    agent._listen(self, "popstate", look);
    for (const name of ["pushState", "replaceState"] as const) {
      wrapMethod(agent, History.prototype, name, (_, args, call) => {
        (call as (...given: unknown[]) => void)(...args);
        agent._losses._guard(look);
      });
    }
  }

  agent._loads.push((entry) =>
    tellEvent(
      agent,
      "navigation",
      {
        start: entry.startTime,
        // Not known where the page is left before.
        duration: round(entry.loadEventEnd) || undefined,
        "url.full": told(entry.name),
        ...fieldsOf(entry.activationStart ? "prerender" : entry.type, document.referrer),
        "performance.timing": phases(entry, /^(activation|dom[A-Z]|load)/),
      },
      agent._first(),
    ),
  );
}
