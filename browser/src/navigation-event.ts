import { cleanUrl } from "./clean-url";
import { phases } from "./phases";
import { randomHex } from "./random-hex";
import { round } from "./round";

/** Limit of the title, in UTF-16 code units: three bytes each at most stay below the format's 4,096. */
const MAX_TITLE = 1_000;

/** Builds the event of the page load (beacon format, "type": "navigation"). */
export function navigationEvent(entry: PerformanceNavigationTiming): object {
  const activationStart = (entry as { activationStart?: number }).activationStart;
  return {
    type: "navigation",
    id: randomHex(8),
    start: round(entry.startTime),
    duration: round(entry.loadEventEnd),
    "url.full": cleanUrl(entry.name),
    "navigation.type": activationStart ? "prerender" : entry.type,
    "page.title": wellFormed(document.title.slice(0, MAX_TITLE)),
    "page.referrer": document.referrer || undefined,
    "performance.timing": phases(entry as typeof entry & { activationStart?: number }, [
      "activationStart",
      "domInteractive",
      "domContentLoadedEventStart",
      "domContentLoadedEventEnd",
      "domComplete",
      "loadEventStart",
      "loadEventEnd",
    ]),
  };
}

/** Half a surrogate pair has no UTF-8 form. */
function wellFormed(text: string): string {
  return new TextDecoder().decode(new TextEncoder().encode(text));
}
