import type { Agent } from "./start-agent";

/**
 * Hands the last beacons of a page to fetchLater, where the browser has it: they take nothing from the 64 KiB that the
 * page's own calls with keepalive share. Where neither that nor keepalive is known, they go by sendBeacon.
 */
export function deferBeacons(agent: Agent): void {
  agent._sender._defer = (body) => {
    try {
      (self as unknown as { fetchLater(url: string, init: object): unknown }).fetchLater(agent._config._endpoint, {
        method: "POST",
        body,
        credentials: "omit",
        activateAfter: 0,
      });
      return true;
    } catch {
      // Firefox has it since 133.
      return !("keepalive" in Request.prototype) && navigator.sendBeacon(agent._config._endpoint, body);
    }
  };
}
