import type { Agent } from "./start-agent";
import type { NavigationEntry } from "./timing-entry";

/** The last two labels of a host; three where the second tells as little as in shop.co.uk; nothing of an IP address. */
const SITE = /[^.]+\.((com?|net|org|gov|edu|ac)\.(?=..$))?[^.\d][^.]*$/;

/** Marks requests to other sites, and those of a page that was prerendered and not shown yet. */
export function markRequests(agent: Agent): void {
  const page = document as Document & { prerendering?: boolean };
  const [navigation] = performance.getEntriesByType("navigation") as unknown as NavigationEntry[];
  const siteOf = (host: string) => SITE.exec(host)?.[0] ?? host;
  const site = siteOf(location.hostname);
  agent._filters.push((event) => {
    if (event.type === "request") {
      const [, host] = /^\w+:\/\/(\[.*?]|[^/:]+)/.exec(event["url.full"] as string) ?? [];
      if (host && siteOf(host) !== site) event["request.is_third_party"] = true;
      if (page.prerendering || (event.start as number) < (navigation?.activationStart as number))
        event["request.is_prerendered"] = true;
    }
    return event;
  });
}
