import { attributesOf, phases } from "./phases";
import { responseStart } from "./response-start";
import { round } from "./round";
import type { Agent } from "./start-agent";

const PHASES =
  /^(redirect|worker|fetch|domainLookup|connect|secureConnection|request|firstInterimResponse|response)(Start|End)$/;

/** Tells of each request its phases and sizes, as far as the browser does (Resource Timing). */
export function tellTimings(agent: Agent): void {
  let names: ReturnType<typeof attributesOf> | undefined;
  agent._detail = (event, entry) => {
    event["performance.initiator_type"] = entry.initiatorType;
    event["performance.next_hop_protocol"] = entry.nextHopProtocol || undefined;
    if (event["performance.delivery"]) {
      event["performance.transfer_size"] = entry.transferSize;
      event["performance.encoded_body_size"] = entry.encodedBodySize;
      event["performance.decoded_body_size"] = entry.decodedBodySize;
    }
    names ??= attributesOf(entry, PHASES);
    const timing = phases(entry, names);
    if (entry.responseStart) timing.response_start = round(responseStart(entry) - entry.startTime);
    // Without a final one, Chromium's interim start is that of a cached copy, and no 103 came.
    if (!entry.finalResponseHeadersStart) delete timing.first_interim_response_start;
    event["performance.timing"] = timing;
  };
}
