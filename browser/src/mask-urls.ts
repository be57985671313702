import { cleanUrl } from "./clean-url";
import type { Options } from "./options";
import type { Feature } from "./start-agent";

/** Limit of url.full, in bytes. */
const MAX_LENGTH = 8192;

/**
 * Tells URLs without user-info, fragment and, of a data: URL, the data; what the query says as `*` unless it is allowed, and
 * so what the pattern finds in the path.
 */
export function maskUrls({ allowQueryParameters: allowed, maskPathPattern }: Options): Feature {
  const told = (name: string) => {
    if (!Array.isArray(allowed)) return !!allowed;
    const [[decoded] = []] = new URLSearchParams(name);
    return allowed.includes(decoded);
  };
  const mask = maskPathPattern && new RegExp(maskPathPattern, `${maskPathPattern.flags.replace(/[gy]/g, "")}g`);
  return (agent) => {
    agent._config._told = (url) => {
      const [, origin = "", path = "", query = ""] = /^(\w+:\/\/[^/?]*|)([^?]*)(.*)/s.exec(cleanUrl(url)) ?? [];
      const shown = query.replace(/([?&])([^=&]*=)?[^&]+/g, (part, mark, name = "") =>
        told(name.slice(0, -1)) ? part : `${mark}${name}*`,
      );
      const known = mask ? path.replace(mask, "*") : path;
      return (origin + known.replace(/^(data:[^, ]*,?).*/s, "$1") + shown).slice(0, MAX_LENGTH);
    };
  };
}
