import { baseUrl } from "./base-url";
import { cleanUrl } from "./clean-url";
import { propagate } from "./propagate";
import type { Agent } from "./start-agent";

/** Brings `getTraceHeaders`. */
export function giveHeaders(agent: Agent): void {
  agent._api.getTraceHeaders = (url) => {
    if (agent._isOut?.(agent._head()._session)) return {};
    const request = { _url: cleanUrl(url, baseUrl()), _noCors: false, _traceparent: null, _tracestate: null };
    return propagate(request, agent)._headers ?? {};
  };
}
