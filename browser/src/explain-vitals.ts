import { type MetricWithAttribution, onCLS, onFCP, onINP, onLCP, onTTFB } from "web-vitals/attribution";
import { round } from "./round";
import type { Agent } from "./start-agent";

const MAX_SELECTOR = 200;

/** Keeps what explains each web vital, from the entries that the browser has buffered on. */
export function explainVitals(agent: Agent): void {
  const latest = new Map<string, MetricWithAttribution>();
  const keep = (metric: MetricWithAttribution) => latest.set(metric.name, metric);
  for (const observe of [onLCP, onINP, onCLS, onFCP, onTTFB]) observe(keep, { reportAllChanges: true });
  agent._explain = (name, value) => {
    const metric = latest.get(name);
    // Another value is explained by something else.
    return metric?.value === value ? explain(metric, agent._config._told) : undefined;
  };
}

function explain(metric: MetricWithAttribution, told: (url: string) => string): object {
  const fields: Record<string, unknown> = {};
  const put = (name: string, value: unknown) => {
    if (value) fields[`web_vital.${name}`] = typeof value === "number" ? round(value) : value;
  };
  const target = (selector: string | undefined) => put("target", selector?.slice(0, MAX_SELECTOR));
  switch (metric.name) {
    case "LCP":
      target(metric.attribution.target);
      put("url", metric.attribution.url && told(metric.attribution.url));
      put("time_to_first_byte", metric.attribution.timeToFirstByte);
      put("resource_load_delay", metric.attribution.resourceLoadDelay);
      put("resource_load_duration", metric.attribution.resourceLoadDuration);
      put("element_render_delay", metric.attribution.elementRenderDelay);
      break;
    case "INP":
      target(metric.attribution.interactionTarget);
      put("interaction_type", metric.attribution.interactionType);
      put("interaction_time", metric.attribution.interactionTime);
      put("input_delay", metric.attribution.inputDelay);
      put("processing_duration", metric.attribution.processingDuration);
      put("presentation_delay", metric.attribution.presentationDelay);
      put("load_state", metric.attribution.loadState);
      break;
    case "CLS":
      target(metric.attribution.largestShiftTarget);
      put("largest_shift_time", metric.attribution.largestShiftTime);
      put("load_state", metric.attribution.loadState);
      break;
    case "FCP":
      put("time_to_first_byte", metric.attribution.timeToFirstByte);
      put("first_byte_to_fcp", metric.attribution.firstByteToFCP);
      put("load_state", metric.attribution.loadState);
      break;
    case "TTFB":
      put("waiting_duration", metric.attribution.waitingDuration);
      put("cache_duration", metric.attribution.cacheDuration);
      put("dns_duration", metric.attribution.dnsDuration);
      put("connection_duration", metric.attribution.connectionDuration);
      put("request_duration", metric.attribution.requestDuration);
  }
  return fields;
}
