import { type Metric, onCLS, onFCP, onINP, onLCP, onTTFB } from "web-vitals";
import type { Feature } from "./start-agent";
import { tellEvent } from "./tell-event";
import { whenIdle } from "./when-idle";

/** What the second file brings: from then on it keeps the attribution of each metric's newest value. */
export type Attribute = (told: (url: string) => string) => (name: string, value: number) => object | undefined;

/** How long a busy page keeps attribution waiting. */
const LOAD_MS = 10_000;

/**
 * Tells each Core Web Vital, FCP and TTFB when its value is final. What explains them is loaded when the page is idle; a
 * value that was final before is told without.
 */
export function trackVitals(load?: () => Promise<{ attribute: Attribute }>): Feature {
  return (agent) => {
    if (agent._since) return;
    let attributionOf: ReturnType<Attribute> = () => undefined;
    const page = agent._config._told(location.href);
    const report = ({ name, value, rating, navigationType }: Metric) =>
      agent._losses._guard(() => {
        const event = {
          "action.id": undefined,
          "web_vital.name": name,
          "web_vital.value": Math.round(value * 1e4) / 1e4,
          "web_vital.rating": rating,
          "web_vital.navigation_type": navigationType,
          ...attributionOf(name, value),
        };
        // Of the page load, whichever view is shown by now; but one that the back/forward cache brought back has its own.
        if (navigationType === "back-forward-cache") tellEvent(agent, "web_vital", event);
        else tellEvent(agent, "web_vital", { "url.full": page, ...event }, agent._first());
      });
    for (const observe of [onLCP, onINP, onCLS, onFCP, onTTFB]) observe(report);
    if (!load) return;
    const fetchIt = async () => {
      try {
        attributionOf = (await load()).attribute(agent._config._told);
      } catch {
        agent._losses._count("no_attribution");
      }
    };
    agent._loads.push(() => whenIdle(fetchIt, LOAD_MS));
  };
}
