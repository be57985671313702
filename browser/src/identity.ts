import type { Store } from "./page-storage";
import { randomText } from "./random-text";
import { INSTANCE_KEY, SESSION_KEY } from "./storage-keys";

export interface Identity {
  /** rum.instance.id: one per browser profile. */
  _instance: string;
  /** session.id at this moment; asking counts as activity. */
  _session(): string;
}

const MINUTE = 60_000;
/** A session ends after so long without activity, and is split when it has lasted so long. */
export const MAX_IDLE = 30 * MINUTE;
const MAX_LENGTH = 8 * 60 * MINUTE;
/** Activity is written down no more often than this. */
export const WRITE_INTERVAL = 10_000;

/** Random part, sequence number of the split session, its beginning, last activity. */
const SESSION = /^([A-Z]{32})-(\d{1,9}) (\d+) (\d+)$/;

export function createIdentity(store: Store, now: () => number): Identity {
  let instance = store._get(INSTANCE_KEY) ?? "";
  if (!/^\d{13}[A-Z0-9]{32}$/.test(instance)) {
    instance = `${1e13 + now()}`.slice(1) + randomText(32);
    store._set(INSTANCE_KEY, instance);
  }
  return {
    _instance: instance,
    _session() {
      const time = now();
      let [, id, ...numbers] = SESSION.exec(store._get(SESSION_KEY) ?? "") ?? [];
      let [part = 0, start = 0, active = 0] = numbers.map(Number);
      const [idle, length] = [time - active, time - start];
      // A clock that was set back must not make a session endless.
      if (idle > MAX_IDLE || length < 0) [id, part, start] = [randomText(32), 0, time];
      else if (length > MAX_LENGTH) [part, start] = [part + 1, time];
      else if (idle < WRITE_INTERVAL) return `${id}-${part}`;
      store._set(SESSION_KEY, `${id}-${part} ${start} ${time}`);
      return `${id}-${part}`;
    },
  };
}
