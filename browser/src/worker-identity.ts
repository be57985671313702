import type { Identity } from "./identity";

/** On it workers ask who they work for, and pages answer. */
export const CHANNEL = "throughline";

/** `rum.instance.id` and `session.id`. */
export type Told = [instance: string, session: string];

/** How long an answer is good for. */
const FRESH_MS = 10_000;

/** The identity of the pages of this origin, asked for; empty until one has answered. */
export function workerIdentity(): Identity {
  let session = "";
  let asked = -Infinity;
  const identity: Identity = {
    _instance: "",
    _session() {
      const now = performance.now();
      if (now - asked > FRESH_MS) {
        asked = now;
        channel?.postMessage("who");
      }
      return session;
    },
  };
  const channel = self.BroadcastChannel && new BroadcastChannel(CHANNEL);
  if (channel) {
    channel.onmessage = ({ data }: MessageEvent<Told | "who">) => {
      if (Array.isArray(data)) [identity._instance, session] = data;
    };
  }
  identity._session();
  return identity;
}
