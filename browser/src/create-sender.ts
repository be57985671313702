import { version } from "../package.json";
import type { Clock } from "./clock";
import type { Identity } from "./identity";
import type { Losses } from "./losses";
import { randomHex } from "./random-hex";
import type { Config } from "./resolve-config";

export interface Sender {
  /** Queues an event. It goes home with the session that it belongs to. */
  _enqueue(event: object, session: string): void;
  /** Sends the queue; resolves when it is answered, or has to wait for a better time. */
  _flush(): Promise<void>;
  /** Hands the queue to the browser, which sends it even if the page is left; gone: for good. */
  _beacon(gone?: boolean): void;
  _stop(): void;
}

interface Item {
  _json: string;
  _bytes: number;
  _session: string;
}

interface Batch {
  _body: string;
  _items: Item[];
  _lost: Record<string, number> | undefined;
}

/** A beacon goes out when so many events wait, or so long after the first of them. */
const BATCH_EVENTS = 50;
const BATCH_MS = 2_000;
/**
 * Events of one beacon, in bytes. Browsers allow 64 KiB for everything that a page has under way with keepalive, the
 * page's own calls among it, and refuse what is more: one beacon at a time leaves the page three quarters of that.
 */
const BATCH_BYTES = 16_000;
/** Beacons at once when the page is left; the page keeps the rest for its own. */
const LAST_BEACONS = 3;
/** An intake that does not answer must not hold back all later beacons. */
const ANSWER_MS = 30_000;
/** Events that wait at most, as long as the server cannot be reached. */
const MAX_EVENTS = 1_000;
const MAX_DELAY_MS = 64_000;

/** Sends events home in beacons (wire/beacon/beacon.md), one at a time, by the fetch that it is given. */
export function createSender(
  config: Config,
  identity: Identity,
  clock: Clock,
  losses: Losses,
  fetch: typeof window.fetch,
): Sender {
  const { setTimeout, clearTimeout } = window;
  const encoder = new TextEncoder();
  const page = randomHex(8);
  const view = randomHex(8);
  let queue: Item[] = [];
  let failures = 0;
  let timer: number | undefined;
  let sending: Promise<void> | undefined;
  let stopped = false;

  const take = (): Batch | undefined => {
    const session = queue[0]?._session;
    let bytes = 0;
    let count = 0;
    for (const item of queue) {
      bytes += item._bytes + 1;
      if (item._session !== session || (count && bytes > BATCH_BYTES)) break;
      count++;
    }
    if (!count) return undefined;
    const items = queue.splice(0, count);
    const lost = losses._take();
    const envelope = JSON.stringify({
      v: 1,
      sent: performance.timeOrigin + performance.now(),
      "agent.name": "throughline-browser",
      "agent.version": version,
      "rum.application.id": config._applicationId,
      "rum.instance.id": identity._instance,
      "session.id": session,
      "page.instance_id": page,
      "view.instance_id": view,
      time_origin: performance.timeOrigin,
      "clock.offset": clock._offset(),
      "clock.uncertainty": clock._uncertainty(),
      dropped: lost,
    });
    return {
      _body: `${envelope.slice(0, -1)},"events":[${items.map((item) => item._json)}]}`,
      _items: items,
      _lost: lost,
    };
  };

  /** A batch that failed may have arrived even so: the server ignores an event whose id it knows. */
  const giveBack = (batch: Batch) => {
    queue = [...batch._items, ...queue];
    for (const reason in batch._lost) losses._count(reason, batch._lost[reason]);
    if (queue.length > MAX_EVENTS) losses._count("buffer_full", queue.splice(MAX_EVENTS).length);
  };

  /** Reports whether the server has the batch, or refused it for good. */
  const post = async (batch: Batch): Promise<boolean> => {
    try {
      const response = await fetch(config._endpoint, {
        method: "POST",
        body: batch._body,
        keepalive: true,
        mode: "cors",
        credentials: "omit",
        signal: AbortSignal.timeout?.(ANSWER_MS) ?? null,
      });
      // To the end: until then the beacon counts against the limit for all that are under way.
      await response.text();
      const { status } = response;
      if (status === 429 || status >= 500) return false;
      if (status >= 400) losses._count("refused", batch._items.length);
      return true;
    } catch {
      return false;
    }
  };

  const drain = async () => {
    for (let batch = take(); batch; batch = take()) {
      if (!(await post(batch))) {
        failures++;
        giveBack(batch);
        return;
      }
      failures = 0;
    }
  };

  const flush = () => {
    clearTimeout(timer);
    timer = undefined;
    sending ??= drain().finally(() => {
      sending = undefined;
      schedule();
    });
    return sending;
  };

  const schedule = () => {
    if (timer === undefined && queue.length && !stopped) {
      timer = setTimeout(flush, Math.min(BATCH_MS * 2 ** failures, MAX_DELAY_MS));
    }
  };

  return {
    _enqueue(event, session) {
      if (queue.length >= MAX_EVENTS) {
        losses._count("buffer_full");
        return;
      }
      const json = JSON.stringify(event);
      queue.push({ _json: json, _bytes: encoder.encode(json).length, _session: session });
      if (queue.length >= BATCH_EVENTS && !failures) flush();
      else if (!sending) schedule();
    },
    _flush: flush,
    _beacon(gone) {
      // What sendBeacon takes and cannot deliver is lost, so a page that may come back keeps what would fail.
      if (!gone && (failures || !navigator.onLine)) return;
      for (let beacons = 0; beacons < LAST_BEACONS; beacons++) {
        const batch = take();
        if (!batch) return;
        if (!navigator.sendBeacon(config._endpoint, batch._body)) return giveBack(batch);
      }
    },
    _stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
