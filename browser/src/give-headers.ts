import { baseUrl } from "./base-url";
import { cleanUrl } from "./clean-url";
import { propagate } from "./propagate";
import type { Agent } from "./start-agent";

/** Brings `getTraceHeaders`. */
export function giveHeaders(agent: Agent): void {
  agent._api.getTraceHeaders = (url) => {
    if (agent._isOut?.(agent._head()._session)) return {};
    return propagate({ _url: cleanUrl(url, baseUrl()) }, agent)._headers ?? {};
  };
}
