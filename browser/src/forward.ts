import type { Api } from "./public-api";
import { running } from "./running";

type Run = ((...args: unknown[]) => unknown) | undefined;

/** The function of the agent that runs by then; where none does, or it fails, the other one. */
export function forward<Name extends keyof Api>(name: Name, otherwise?: Api[Name]): Api[Name] {
  return ((...args: unknown[]) => {
    try {
      const run = running().api?.[name] as Run;
      if (run) return run(...args);
    } catch {}
    return (otherwise as Run)?.();
  }) as Api[Name];
}
