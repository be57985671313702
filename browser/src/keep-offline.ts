import { pageStorage } from "./page-storage";
import { randomHex } from "./random-hex";
import type { Agent } from "./start-agent";
import { DATABASE, LAST_KEY } from "./storage-keys";

const STORE = "beacons";
/** Kept of one page at most: while it lives, and when it is left. */
const MAX_BEACONS = 32;
const MAX_LAST = 8;

/**
 * Keeps in IndexedDB what cannot be sent, so that it survives the page; the next page of the origin sends it. A beacon that
 * arrives twice does no harm: the server ignores events that it knows. Storage that fails, as in a private window, is
 * done without.
 */
export function keepOffline(agent: Agent): void {
  const page = randomHex(8);
  const { _sender: sender, _losses: losses } = agent;
  const storage = pageStorage("localStorage");
  /** Something of this page is in storage. */
  let kept = false;
  let ended = false;

  const use = (task: (store: IDBObjectStore) => void) => {
    if (ended) return;
    const request = indexedDB.open(DATABASE);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    request.onsuccess = () =>
      losses._guard(() => {
        if (!ended) task(request.result.transaction(STORE, "readwrite").objectStore(STORE));
        request.result.close();
      });
  };
  /** What has not arrived, as beacons without their beginning, which says when they are sent. */
  const waiting = () => {
    const beacons: string[] = [];
    for (const rest = [...sender._sent, ...sender._queue]; rest.length; )
      beacons.push(sender._takeBatch(rest, sender._limit)._rest);
    return beacons;
  };
  const keep = () => {
    kept = true;
    use((store) => store.put(waiting().slice(-MAX_BEACONS), page));
  };
  /** What was kept when a page was left. */
  const left = (): string[] => JSON.parse(storage._get(LAST_KEY) ?? "[]");

  sender._reached = (reached) => {
    sender._sent = [];
    if (!reached) keep();
    else if (kept && !sender._queue.length) {
      kept = false;
      storage._set(LAST_KEY, "[]");
      use((store) => store.delete(page));
    }
  };
  agent._listen(self, "online", sender._flush);
  agent._leaving.push(() => {
    if (!kept && navigator.onLine) return;
    kept = true;
    // The database of a page that ends undoes what it has begun; and a page is left twice: when it is hidden, and for good.
    storage._set(LAST_KEY, JSON.stringify([...left(), ...waiting()].slice(-MAX_LAST)));
  });
  agent._undo.push(() => {
    ended = true;
  });

  use((store) => {
    const request = store.getAll();
    request.onsuccess = () =>
      losses._guard(() => {
        const beacons = [...request.result.flat(), ...left()].slice(-MAX_BEACONS);
        store.clear();
        if (!beacons.length) return;
        storage._set(LAST_KEY, "[]");
        sender._queue.unshift(...beacons.map((rest) => ({ _json: rest })));
        sender._schedule();
        keep();
      });
  });
}
