import type { Options } from "./options";
import type { Feature, Fields } from "./start-agent";

/** Leaves to the application what is sent of each event; see {@link Options.beforeSend}. */
export function filterEvents(beforeSend: NonNullable<Options["beforeSend"]>): Feature {
  return (agent) => {
    agent._filters.push((event) => {
      try {
        const given = beforeSend(event);
        if (given === undefined || given === true) return event;
        if ((given as Fields | null)?.type) return given as Fields;
      } catch {}
      agent._losses._count("before_send");
      return undefined;
    });
  };
}
