import type { Metric } from "./read-server-timing";

/** An entry of Resource Timing; what not every engine has is optional. */
export interface TimingEntry extends PerformanceResourceTiming {
  readonly serverTiming: readonly (Metric & PerformanceServerTiming)[];
  readonly deliveryType?: string;
  readonly finalResponseHeadersStart?: number;
  readonly firstInterimResponseStart?: number;
}

/** The entry of the page load. */
export interface NavigationEntry extends TimingEntry {
  readonly activationStart?: number;
  readonly type: string;
  readonly domInteractive: number;
  readonly domContentLoadedEventStart: number;
  readonly domContentLoadedEventEnd: number;
  readonly domComplete: number;
  readonly loadEventStart: number;
  readonly loadEventEnd: number;
}
