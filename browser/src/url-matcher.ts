import { baseUrl } from "./base-url";
import type { UrlPattern } from "./options";
import { warn } from "./warn";

export type UrlMatcher = (url: string) => boolean;

/** Makes a function that never throws of the pattern that this option is; without one nothing matches. */
export function urlMatcher<Name extends string>(options: Partial<Record<Name, UrlPattern>>, name: Name): UrlMatcher {
  const tried = <T>(run: () => T): T | undefined => {
    try {
      return run();
    } catch (error) {
      warn(name, error);
      return undefined;
    }
  };
  const pattern = options[name];
  const matches = tried(() => pattern && tester(pattern));
  return (url) => !!matches && !!tried(() => matches({ url }));
}

function tester(pattern: UrlPattern): (request: { url: string }) => boolean {
  if (typeof pattern === "function") return pattern;
  if (typeof pattern === "string") {
    // As a URL it ends its host: https://api.example is no beginning of https://api.example.net/.
    const start = new URL(pattern, baseUrl()).href;
    return ({ url }) => url.startsWith(start);
  }
  // Unlike test(), search() does not depend on the call before.
  return ({ url }) => url.search(pattern) >= 0;
}
