import { allFeatures } from "./all-features";
import { initWithConsent } from "./init-with-consent";
import type { Options } from "./options";
import { pageIdentity } from "./page-identity";

export type { CoreOptions, Options, Properties, UrlPattern } from "./options";
export * from "./public-api";

/**
 * Starts the agent with all that it can do. It never throws: bad options are told on the console, and without a usable
 * endpoint nothing starts. There is one agent a page.
 */
export function init(options: Options): void {
  const features = allFeatures(options, () => import("./idle-features"));
  initWithConsent(options, pageIdentity, features);
}
