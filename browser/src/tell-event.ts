import { randomHex } from "./random-hex";
import { round } from "./round";
import type { Agent, Fields } from "./start-agent";
import type { Head } from "./track-calls";

/** Sends an event of this type. Its id, its time, the page and the action are added where the fields lack them. */
export function tellEvent(
  agent: Agent,
  type: string,
  { start = performance.now(), ...fields }: Fields & { start?: number },
  head: Head = agent._head(),
): void {
  agent._emit(
    {
      type,
      id: randomHex(8),
      start: round(start),
      "url.full": agent._config._told(location.href),
      ...agent._action?.(start),
      ...fields,
    },
    head,
  );
}
