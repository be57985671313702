/**
 * Why a fetch was rejected. At once: in the same turn as the call, so that nothing was sent.
 */
export function errorReason(error: unknown, signal: AbortSignal | null | undefined, atOnce: boolean): string {
  const name = (error as { name?: unknown } | null | undefined)?.name;
  if (name === "TimeoutError") return "timeout";
  // The page may give any reason of its own to abort().
  if (name === "AbortError" || signal?.aborted) return atOnce ? "abort_unsent" : "abort";
  if (atOnce) return "invalid_call";
  if (!navigator.onLine) return "no_network";
  return name === "TypeError" ? "network" : "unknown_reason";
}
