import type { Agent } from "./start-agent";

/** A text with the URLs in it as events tell them; line and column, which stacks put behind, stay. */
export function maskText(agent: Agent, text: string): string {
  return text.replace(/\b\w+:\/\/[^\s"'()<>\]]+?(?=(:\d+){0,2}(?![^\s"'()<>\]]))/g, (url) => {
    try {
      return agent._config._told(url);
    } catch {
      return "*";
    }
  });
}
