import { cleanUrl } from "./clean-url";
import type { Options } from "./index";
import { type UrlMatcher, urlMatcher } from "./url-matcher";
import { warn } from "./warn";

export interface Config {
  _endpoint: string;
  /** The agent's own script, which is no part of the page's work; undefined where it came in a bundle. */
  _script?: string | undefined;
  /** Undefined where missing or malformed. */
  _applicationId: string | undefined;
  /** Undefined where malformed. */
  _tenant: string | undefined;
  _propagation: boolean;
  _crossOrigin: UrlMatcher;
  _exclude: UrlMatcher;
}

const DEFAULT_TENANT = "7468726f-75676800";

/** Checks the options; warns of each that is unusable. Undefined where the agent has nowhere to send to. */
export function resolveConfig(options: Options & { _script?: string }): Config | undefined {
  const checked = (name: string, value: string | undefined, grammar: RegExp) => {
    if (value && grammar.test(value)) return value;
    warn(`${name} is missing or malformed, so tracestate gets no entry:`, value);
    return undefined;
  };
  const endpoint = String(options.endpoint || "/beacon");
  let url: URL;
  try {
    url = new URL(endpoint, document.baseURI);
  } catch {
    warn("endpoint is no URL, so nothing starts:", endpoint);
    return undefined;
  }
  return {
    _endpoint: url.href,
    _script: options._script && cleanUrl(options._script),
    _applicationId: checked("application id", options.applicationId, /^(?!0{16})[0-9a-f]{16}$/),
    _tenant: checked("tenant", options.tenant || DEFAULT_TENANT, /^[0-9a-f]{8}-[0-9a-f]{8}$/),
    _propagation: options.propagation !== false,
    _crossOrigin: urlMatcher("cross-origin URL pattern", options.crossOriginUrlPattern),
    _exclude: urlMatcher("exclude URL pattern", options.excludeUrlPattern),
  };
}
