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
  const told = (parameter: string) => {
    const [[name = ""] = []] = new URLSearchParams(parameter);
    return allowed && (allowed === true || allowed.includes(name));
  };
  const mask = maskPathPattern && new RegExp(maskPathPattern, `${maskPathPattern.flags.replace(/[gy]/g, "")}g`);
  return (agent) => {
    agent._config._told = (url) => {
      const [, origin = "", path = "", query = ""] = /^(\w+:\/\/[^/?]*|)([^?]*)(.*)/s.exec(cleanUrl(url)) ?? [];
      const shown = query.replace(/[^?&][^&]*/g, (part) =>
        told(part) ? part : `${part.slice(0, part.indexOf("=") + 1)}*`,
      );
      const known = mask ? path.replace(mask, "*") : path;
      return (origin + known.replace(/^(data:[^, ]*,?).*/s, "$1") + shown).slice(0, MAX_LENGTH);
    };
  };
}
