/**
 * error.reason of a call that ended with an error of this name, or an XMLHttpRequest's event of this type. At once: in the
 * same turn as the call, so that nothing was sent.
 */
export function failureReason(name: string, aborted?: boolean, atOnce?: boolean): string {
  if (/^timeout/i.test(name)) return "timeout";
  // The page may give any reason of its own to abort().
  if (aborted || /^abort/i.test(name)) return atOnce ? "abort_unsent" : "abort";
  if (atOnce) return "invalid_call";
  if (!navigator.onLine) return "no_network";
  return /^(error|TypeError|NetworkError)$/.test(name) ? "network" : "unknown_reason";
}
