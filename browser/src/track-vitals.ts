import { type Metric, onCLS, onFCP, onINP, onLCP, onTTFB } from "web-vitals";
import type { Agent } from "./start-agent";
import { tellEvent } from "./tell-event";

/** Tells each Core Web Vital, FCP and TTFB when its value is final, with what explains it where that is known by then. */
export function trackVitals(agent: Agent): void {
  if (agent._since) return;
  const page = agent._config._told(location.href);
  const report = ({ name, value, rating, navigationType }: Metric) =>
    agent._losses._guard(() => {
      const event = {
        "action.id": undefined,
        "web_vital.name": name,
        "web_vital.value": Math.round(value * 1e4) / 1e4,
        "web_vital.rating": rating,
        "web_vital.navigation_type": navigationType,
        ...agent._explain?.(name, value),
      };
      // Of the page load, whichever view is shown by now; but one that the back/forward cache brought back has its own.
      if (navigationType === "back-forward-cache") tellEvent(agent, "web_vital", event);
      else tellEvent(agent, "web_vital", { "url.full": page, ...event }, agent._first());
    });
  for (const observe of [onLCP, onINP, onCLS, onFCP, onTTFB]) observe(report);
}
