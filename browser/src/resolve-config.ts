import { baseUrl } from "./base-url";
import { cleanUrl } from "./clean-url";
import type { CoreOptions } from "./options";
import { type UrlMatcher, urlMatcher } from "./url-matcher";
import { warn } from "./warn";

export interface Config {
  _endpoint: string;
  /** The endpoint, and the agent's own scripts where it did not come in a bundle: they are no part of the page's work. */
  _own: readonly string[];
  /** Undefined where missing or malformed. */
  _applicationId: string | undefined;
  /** Undefined where malformed. */
  _tenant: string | undefined;
  _propagation: boolean;
  _crossOrigin: UrlMatcher;
  _exclude: UrlMatcher;
  /** A URL as events tell it. */
  _told: (url: string) => string;
}

/** What the classic script adds. */
export interface ScriptOptions extends CoreOptions {
  _scripts?: readonly string[];
}

const DEFAULT_TENANT = "7468726f-75676800";

/** Checks the options; warns of each that is unusable. It throws where the endpoint is no URL. */
export function resolveConfig(options: ScriptOptions): Config {
  const checked = (name: "applicationId" | "tenant", grammar: RegExp, otherwise?: string) => {
    const value = options[name] || otherwise;
    if (grammar.test(value as string)) return value;
    warn(name, value);
    return undefined;
  };
  const endpoint = new URL(options.endpoint || "/beacon", baseUrl()).href;
  return {
    _endpoint: endpoint,
    _own: [endpoint, ...(options._scripts ?? [])],
    _applicationId: checked("applicationId", /^(?!0{16})[0-9a-f]{16}$/),
    _tenant: checked("tenant", /^[0-9a-f]{8}-[0-9a-f]{8}$/, DEFAULT_TENANT),
    _propagation: options.propagation !== false,
    _crossOrigin: urlMatcher(options, "crossOriginUrlPattern"),
    _exclude: urlMatcher(options, "excludeUrlPattern"),
    // Without what the query says.
    _told: (url) => cleanUrl(url.replace(/=[^&#]*/g, "=*")),
  };
}
