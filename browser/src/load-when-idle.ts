import type { Options } from "./options";
import type { Agent, Feature } from "./start-agent";
import { whenIdle } from "./when-idle";

/** Brings what starts the features that can wait, if it is of the same version of internal names. */
export type LoadIdle = () => Promise<{ startIdle(agent: Agent, version: string, options: Options): void }>;

/** Of this build's internal names. */
declare const NAMES_VERSION: string;

/** How long a busy page keeps them waiting. */
const LOAD_MS = 10_000;

/** Starts the features that can wait once the page is loaded and idle; without them the agent does what it does before. */
export function loadWhenIdle(load: LoadIdle, options: Options): Feature {
  return (agent) => {
    let ended = false;
    const start = async () => {
      try {
        const { startIdle } = await load();
        if (!ended) startIdle(agent, NAMES_VERSION, options);
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
