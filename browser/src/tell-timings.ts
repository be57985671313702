import { phases, snakeCase } from "./phases";
import { responseStart } from "./response-start";
import { round } from "./round";
import type { Agent } from "./start-agent";

/** Connections are secure ones too, and responses interim ones. */
const PHASES = /^(redirect|worker|fetch|domainLookup|\w*onnect\w*|request|\w*esponse)(Start|End)$/;

/** Tells of each request its phases and sizes, as far as the browser does (Resource Timing). */
export function tellTimings(agent: Agent): void {
  agent._detail = (event, entry) => {
    for (const name of [
      "initiatorType",
      "nextHopProtocol",
      "transferSize",
      "encodedBodySize",
      "decodedBodySize",
    ] as const) {
      const value = entry[name];
      if (name.endsWith("Size") ? event["performance.delivery"] : value)
        event[`performance.${snakeCase(name)}`] = value;
    }
    const timing = phases(entry, PHASES);
    if (entry.responseStart) timing.response_start = round(responseStart(entry) - entry.startTime);
    // Without a final one, Chromium's interim start is that of a cached copy, and no 103 came.
    if (!entry.finalResponseHeadersStart) delete timing.first_interim_response_start;
    event["performance.timing"] = timing;
  };
}
