import type { Session } from "./chromium";

export interface MainThread {
  /** Processor time of the main thread's tasks since openPage, in milliseconds: what else the machine does is not in it. */
  taskMs: number;
  /** What of it Chromium counts as script: callbacks, but nothing that runs as a promise's reaction. */
  scriptMs: number;
}

/** Reads what the page's main thread has done. */
export async function mainThread(page: Session): Promise<MainThread> {
  const { metrics } = await page.send("Performance.getMetrics");
  const seconds = (wanted: string) =>
    (metrics as { name: string; value: number }[]).find(({ name }) => name === wanted)?.value ?? Number.NaN;
  return { taskMs: seconds("TaskDuration") * 1000, scriptMs: seconds("ScriptDuration") * 1000 };
}
