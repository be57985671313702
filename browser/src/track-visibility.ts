import type { Agent } from "./start-agent";
import { tellEvent } from "./tell-event";

/** Tells when the page is hidden, and when it is shown again. */
export function trackVisibility(agent: Agent): void {
  agent._listen(document, "visibilitychange", () =>
    tellEvent(agent, "visibility", { "visibility.state": document.visibilityState }),
  );
}
