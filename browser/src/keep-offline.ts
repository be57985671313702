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
  /** Of this page, in storage; a page is left twice: when it is hidden, and for good. */
  let left: string[] = [];
  let failing = false;
  let kept = false;
  let ended = false;

  const use = (task: (store: IDBObjectStore) => void) =>
    losses._guard(() => {
      if (ended || !self.indexedDB) return;
      const request = indexedDB.open(DATABASE);
      request.onupgradeneeded = () => request.result.createObjectStore(STORE);
      request.onsuccess = () =>
        losses._guard(() => {
          if (!ended) task(request.result.transaction(STORE, "readwrite").objectStore(STORE));
          request.result.close();
        });
    });
  /** What waits, as beacons without their beginning, which says when they are sent. */
  const waiting = () => {
    const beacons: string[] = [];
    for (const rest = [...sender._queue]; rest.length; ) beacons.push(sender._takeBatch(rest, sender._limit)._rest);
    return beacons;
  };
  const adopt = (beacons: string[]) => {
    sender._queue.unshift(...beacons.map((rest) => ({ _json: rest })));
    sender._schedule();
  };
  const keep = () => {
    kept = true;
    use((store) => store.put(waiting().slice(-MAX_BEACONS), page));
  };

  sender._reached = (reached) => {
    failing = !reached;
    if (failing) keep();
    else if (kept && !sender._queue.length) {
      kept = false;
      left = [];
      storage._set(LAST_KEY, "[]");
      use((store) => store.delete(page));
    }
  };
  agent._listen(self, "online", sender._flush);
  agent._leaving.push(() => {
    if (!failing && navigator.onLine) return;
    kept = true;
    // The database of a page that ends undoes what it has begun.
    left = [...left, ...waiting()].slice(-MAX_LAST);
    storage._set(LAST_KEY, JSON.stringify(left));
  });
  agent._undo.push(() => {
    ended = true;
  });

  const last: string[] = JSON.parse(storage._get(LAST_KEY) ?? "[]");
  if (last.length) storage._set(LAST_KEY, "[]");
  adopt(last);
  use((store) => {
    const request = store.getAll();
    request.onsuccess = () =>
      losses._guard(() => {
        const beacons: string[] = request.result.flat().slice(-MAX_BEACONS);
        store.clear();
        adopt(beacons);
        if (beacons.length || last.length) keep();
      });
  });
}
