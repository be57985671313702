import type { Feature } from "./start-agent";

/** Tells the resources of this share of all pages, 0 to 1. */
export function sampleResources(rate: number): Feature {
  return (agent) => {
    if (!(Math.random() >= rate)) return;
    agent._filters.push((event) => {
      if (event["request.kind"] !== "resource") return event;
      agent._losses._count("resource_not_sampled");
      return undefined;
    });
  };
}
