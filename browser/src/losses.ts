export interface Losses {
  /** Counts lost events, or failures of the agent, by reason. */
  _count(reason: string, n?: number): void;
  /** Takes what was counted since the last time; undefined where nothing was. */
  _take(): Record<string, number> | undefined;
  /** Runs the agent's own code, whose failure reaches nobody but is counted. */
  _guard<T>(run: () => T): T | undefined;
}

export function createLosses(): Losses {
  let counts: Record<string, number> | undefined;
  const losses: Losses = {
    _count(reason, n = 1) {
      if (!n) return;
      counts ??= {};
      counts[reason] = (counts[reason] ?? 0) + n;
    },
    _take() {
      const taken = counts;
      counts = undefined;
      return taken;
    },
    _guard(run) {
      try {
        return run();
      } catch {
        losses._count("agent_error");
        return undefined;
      }
    },
  };
  return losses;
}
