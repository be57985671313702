import type { Metric } from "./read-server-timing";

/** An entry of Resource Timing; what not every engine has is optional. */
export interface TimingEntry extends PerformanceResourceTiming {
  readonly serverTiming: readonly (Metric & PerformanceServerTiming)[];
  readonly deliveryType?: string;
  readonly finalResponseHeadersStart?: number;
  readonly firstInterimResponseStart?: number;
}
