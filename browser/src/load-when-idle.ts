import type { Feature } from "./start-agent";
import { whenIdle } from "./when-idle";

/** Brings the features that can wait, and the version of the names by which they call what is the agent's own. */
export type LoadIdle = () => Promise<{ idleFeatures: readonly Feature[]; version: string }>;

declare const NAMES_VERSION: string;

/** How long a busy page keeps them waiting. */
const LOAD_MS = 10_000;

/** Starts the features that can wait once the page is loaded and idle; without them the agent does what it does before. */
export function loadWhenIdle(load: LoadIdle): Feature {
  return (agent) => {
    let ended = false;
    const start = async () => {
      try {
        const { idleFeatures, version } = await load();
        // One of the two files may be of a browser's cache.
        if (version !== NAMES_VERSION) throw version;
        for (const feature of idleFeatures) if (!ended) agent._losses._guard(() => feature(agent));
      } catch {
        agent._losses._count("not_loaded");
      }
    };
    const soon = () => whenIdle(start, LOAD_MS);
    agent._undo.push(() => {
      ended = true;
    });
    // An agent that came after the page was loaded does not tell the load.
    if (agent._since) soon();
    else agent._loads.push(soon);
  };
}
