import { createClock } from "./clock";
import type { Agent } from "./start-agent";

/** Measures how far the page's clock is from the server's, and recognises by it copies of answers that shared caches gave. */
export function measureClock(agent: Agent): void {
  agent._clock = createClock(performance.timeOrigin);
}
