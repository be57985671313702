import type { Feature } from "./start-agent";

/**
 * Tells this share of all sessions, 0 to 1, and leaves the others alone. Which ones is read off the random part of the id, so
 * that all tabs, and all parts of a session that was split, agree without asking.
 */
export function sampleSessions(rate: number): Feature {
  return (agent) => {
    agent._isOut = (session) => {
      // In a worker it may not be known.
      if (rate === 1) return false;
      let fraction = 0;
      for (let i = 7; i >= 0; i--) fraction = (fraction + session.charCodeAt(i) - 65) / 26;
      return !(fraction < rate);
    };
  };
}
