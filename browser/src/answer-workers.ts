import type { Agent } from "./start-agent";
import { CHANNEL, type Told } from "./worker-identity";

/** Tells the agents in workers of this origin whose requests they see. */
export function answerWorkers(agent: Agent): void {
  let channel: BroadcastChannel;
  const tell = () => channel.postMessage([agent._identity._instance, agent._head()._session] satisfies Told);
  const open = () => {
    channel = new BroadcastChannel(CHANNEL);
    channel.onmessage = ({ data }) => data === "who" && agent._losses._guard(tell);
    tell();
  };
  open();
  // A message would put a page that is kept out of the back/forward cache.
  agent._listen(self, "pagehide", () => channel.close());
  agent._listen(self, "pageshow", (event: PageTransitionEvent) => event.persisted && open());
  agent._undo.push(() => channel.close());
}
