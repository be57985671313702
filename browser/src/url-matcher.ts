import type { UrlPattern } from "./index";
import { warn } from "./warn";

export type UrlMatcher = (url: string) => boolean;

/** Turns a pattern into a function that never throws. */
export function urlMatcher(name: string, pattern: UrlPattern | undefined): UrlMatcher {
  if (!pattern) return () => false;
  let test = pattern as (request: { url: string }) => boolean;
  if (typeof pattern !== "function") {
    let expression: RegExp;
    try {
      // Without g and y, which make test() depend on the call before.
      expression = new RegExp(pattern, pattern instanceof RegExp ? pattern.flags.replace(/[gy]/g, "") : "");
    } catch (error) {
      warn(`${name} does not compile, so it matches nothing:`, error);
      return () => false;
    }
    test = ({ url }) => expression.test(url);
  }
  return (url) => {
    try {
      return !!test({ url });
    } catch (error) {
      warn(`${name} failed, so it does not match:`, error);
      return false;
    }
  };
}
