import type { Identity } from "./identity";
import { initAgent } from "./init-agent";
import type { Options } from "./options";
import type { Api } from "./public-api";
import { running } from "./running";
import type { Agent, Feature } from "./start-agent";
import { eraseStorage, INSTANCE_KEY } from "./storage-keys";
import { warn } from "./warn";

/** What TypeScript does not know of it, or deems outdated. */
declare const navigator: { globalPrivacyControl?: boolean; doNotTrack?: string };

/**
 * Starts the agent, unless the browser says that its user wants none and that is to be respected; or, where consent is
 * required, makes it ready to start when that is given.
 */
export function initWithConsent(options: Options, identify: () => Identity, features: readonly Feature[]): void {
  try {
    if (options.respectGlobalPrivacyControl && navigator.globalPrivacyControl) return;
    if (options.respectDoNotTrack && navigator.doNotTrack === "1") return;
    const place = running();
    let user: string | undefined;
    const revocable = (agent: Agent) => {
      agent._api.setUser?.(user);
      user = undefined;
      const revoke = () => {
        agent._stop(true);
        place.api = waiting;
        eraseStorage();
      };
      agent._api.revoke = revoke;
      // In another tab.
      agent._listen(self, "storage", ({ key, newValue }: StorageEvent) => {
        if (key === INSTANCE_KEY && !newValue) revoke();
      });
    };
    const begin = () => initAgent(options, identify, [...features, revocable]);
    const waiting: Partial<Api> = {
      setUser(id) {
        user = id;
      },
      grant() {
        place.api = undefined;
        // What began before nobody agreed to tell.
        place.ended = performance.now();
        begin();
      },
      revoke: eraseStorage,
      async shutdown() {
        place.api = undefined;
      },
    };
    if (options.consentRequired) place.api ??= waiting;
    else begin();
  } catch (error) {
    warn("this place", error);
  }
}
