import { eventProperties } from "./event-properties";
import { plainText } from "./plain-text";
import type { Agent } from "./start-agent";
import { tellEvent } from "./tell-event";

/** Brings `addEvent`: events that the application makes up. */
export function trackEvents(agent: Agent): void {
  agent._api.addEvent = (name, properties) =>
    tellEvent(agent, "custom", { "event.name": plainText(name), ...eventProperties(properties) });
}
