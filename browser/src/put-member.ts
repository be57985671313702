/** Limits of tracestate: list-members (W3C Trace Context, 3.3.1.1), and characters that every hop passes on (3.3.1.5). */
const MAX_MEMBERS = 32;
const MAX_LENGTH = 512;

/**
 * Puts a member leftmost into tracestate and takes out an earlier one of the same key. The members of others keep
 * their bytes and their order. Undefined where the limits do not allow it; tracestate then stays as it was.
 */
export function putMember(tracestate: string, key: string, value: string): string | undefined {
  const others = tracestate
    .split(",")
    .map((member) => member.trim())
    .filter((member) => member && !member.startsWith(`${key}=`));
  const list = [`${key}=${value}`, ...others].join();
  return others.length >= MAX_MEMBERS || list.length > MAX_LENGTH ? undefined : list;
}
