import { type Metric, onCLS, onFCP, onINP, onLCP, onTTFB } from "web-vitals";
import { cleanUrl } from "./clean-url";
import { randomHex } from "./random-hex";
import { round } from "./round";

/** Emits a web_vital event (beacon format) for each metric when its value is final. */
export function observeVitals(emit: (event: object) => void): void {
  const report = ({ name, value, rating }: Metric) =>
    emit({
      type: "web_vital",
      id: randomHex(8),
      start: round(performance.now()),
      "url.full": cleanUrl(location.href),
      "web_vital.name": name,
      "web_vital.value": Math.round(value * 1e4) / 1e4,
      "web_vital.rating": rating,
    });
  for (const observe of [onLCP, onINP, onCLS, onFCP, onTTFB]) observe(report);
}
