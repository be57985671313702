import type { Store } from "./page-storage";
import { randomText } from "./random-text";

export interface Identity {
  /** rum.instance.id: one per browser profile. */
  _instance: string;
  /** session.id at this moment; asking counts as activity. */
  _session(): string;
}

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const MINUTE = 60_000;
/** A session ends after so long without activity, and is split when it has lasted so long. */
const MAX_IDLE = 30 * MINUTE;
const MAX_LENGTH = 8 * 60 * MINUTE;
/** Activity is written down no more often than this. */
const WRITE_INTERVAL = 10_000;

const INSTANCE_KEY = "throughline.instance";
const SESSION_KEY = "throughline.session";
/** Random part, sequence number of the split session, its beginning, last activity. */
const SESSION = /^([A-Z]{32})-(\d{1,9}) (\d+) (\d+)$/;

export function createIdentity(store: Store, now: () => number): Identity {
  let instance = store._get(INSTANCE_KEY) ?? "";
  if (!/^\d{13}[A-Z0-9]{32}$/.test(instance)) {
    instance = `${now()}`.padStart(13, "0") + randomText(32, `${LETTERS}0123456789`);
    store._set(INSTANCE_KEY, instance);
  }
  return {
    _instance: instance,
    _session() {
      const time = now();
      let [, id, number = 0, began = 0, active = 0] = SESSION.exec(store._get(SESSION_KEY) ?? "") ?? [];
      let changed = time - +active >= WRITE_INTERVAL;
      // A clock that was set back must not make a session endless.
      if (!id || time - +active > MAX_IDLE || +began > time) {
        id = randomText(32, LETTERS);
        number = 0;
        began = time;
        changed = true;
      } else if (time - +began > MAX_LENGTH) {
        number = +number + 1;
        began = time;
        changed = true;
      }
      if (changed) store._set(SESSION_KEY, `${id}-${number} ${began} ${time}`);
      return `${id}-${number}`;
    },
  };
}
