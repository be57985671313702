import type { Feature } from "./start-agent";

/** Gives this share of all requests a trace context, 0 to 1; of the others the backend decides by itself. */
export function sampleTraces(rate: number): Feature {
  return (agent) => {
    agent._isLeftOut = () => !(Math.random() < rate);
  };
}
