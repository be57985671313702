import type { Identity } from "./identity";
import { resolveConfig, type ScriptOptions } from "./resolve-config";
import { running } from "./running";
import { type Feature, startAgent } from "./start-agent";
import { warn } from "./warn";

/**
 * Starts the agent on this page. It never throws: bad options are told on the console, and without a usable endpoint
 * nothing starts. There is one agent a page.
 */
export function initAgent(options: ScriptOptions, identify: () => Identity, features: readonly Feature[]): void {
  try {
    const place = running();
    if (place.api) throw "another one runs";
    const agent = startAgent(resolveConfig(options), identify(), features, place.ended);
    const { _api: api } = agent;
    api.flush = agent._flush;
    api.shutdown = () => {
      const flushed = agent._flush();
      agent._stop();
      place.api = undefined;
      place.ended = performance.now();
      return flushed;
    };
    place.api = api;
  } catch (error) {
    warn("this agent", error);
  }
}
