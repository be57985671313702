import { version } from "../package.json";
import { randomHex } from "./random-hex";
import type { Agent } from "./start-agent";
import type { Head } from "./track-calls";

export interface Sender {
  /** What waits. */
  readonly _queue: Item[];
  /** How long the events of a beacon may be. */
  _limit: number;
  /** Queues an event. It goes home with others of the same head. */
  _enqueue(event: object, head: Head): void;
  /** Takes the first of these items that may go home together, no longer than the limit if they are several. */
  _takeBatch(items: Item[], limit: number): Batch;
  /** Sees to it that what waits is sent in time. */
  _schedule(): void;
  /** Sends what waits; resolves when it is answered, or has to wait for a better time. */
  _flush(): Promise<void>;
  /** Sends what waits, or the most of it, at once, since the page is left; gone: for good. */
  _leave(gone: boolean): void;
  /** Sends no more by itself; forget: nor what waits. */
  _stop(forget?: boolean): void;
  /** What features put in; each may be left out. */
  _compress?: (body: string) => BodyInit | Promise<BodyInit>;
  /** Leaves the beacon of a page that is left to the browser; false: it was not taken. */
  _defer?: (body: string) => boolean;
  /** What it took from the queue last. */
  _sent: readonly Item[];
  /** Told after each attempt: whether the server could be reached. */
  _reached?: (reached: boolean) => void;
}

export interface Item {
  /** An event; without a head: the rest of a beacon of an earlier page. */
  _json: string;
  _head?: Head | undefined;
}

export interface Batch {
  /** The beacon but for its beginning, which says when it is sent. */
  _rest: string;
  _items: Item[];
}

/** A beacon goes out when so many events wait, or so long after the first of them. */
const BATCH_EVENTS = 100;
const BATCH_MS = 2_000;
/**
 * Events of one beacon, in UTF-16 code units, nearly all of them one byte. Browsers allow 64 KiB for everything that a page
 * has under way with keepalive, the page's own calls among it, and refuse what is more: one beacon at a time leaves the page
 * three quarters of that.
 */
const BATCH_LENGTH = 16_000;
/** In UTF-16 code units, each three bytes at most: with its beacon's head it fits into those 64 KiB. */
const MAX_EVENT_LENGTH = 20_000;
/** What goes out at once when the page is left; the page keeps the rest for its own. */
const LAST_LENGTH = 48_000;
/** An intake that does not answer must not hold back all later beacons. */
const ANSWER_MS = 30_000;
/** Events that wait at most, as long as the server cannot be reached. */
const MAX_EVENTS = 1_000;
const MAX_DELAY_MS = 64_000;
/** A server that asks for more patience gets so much, in seconds. */
const MAX_RETRY_AFTER = 600;

/** Sends events home in beacons (wire/beacon/beacon.md), one at a time, by the fetch that it is given. */
export function createSender(agent: Agent, fetch: typeof self.fetch): Sender {
  const { _config: config, _losses: losses } = agent;
  const page = randomHex(8);
  /** After a failure it is longer. */
  let wait = BATCH_MS;
  /** How much more may go out while the page is left. */
  let room = 0;
  /** Events that are to be sent before the flush ends. */
  let left = 0;
  /** Of the next flush; or that there will be none. */
  let timer: number | undefined;
  let sending: Promise<void> | undefined;
  let forgotten = false;

  const takeBatch = (items: Item[], limit: number, lost?: Record<string, number>): Batch => {
    const [{ _head: head, _json: json }] = items as [Item];
    let [end, length] = [0, 0];
    for (const item of items) {
      length += item._json.length;
      if (end && (!head || head !== item._head || length > limit)) break;
      end++;
    }
    const batch = items.splice(0, end);
    if (!head) return { _rest: json, _items: batch };
    const envelope = JSON.stringify({
      "agent.name": "throughline-browser",
      "agent.version": version,
      "rum.application.id": config._applicationId,
      "rum.instance.id": agent._identity._instance || undefined,
      "session.id": head._session || undefined,
      "page.instance_id": page,
      "view.instance_id": head._view,
      time_origin: performance.timeOrigin,
      ...agent._clock?._fields(),
      attributes: head._attributes,
      dropped: lost,
    });
    return {
      _rest: `${envelope.slice(1, -1)},"events":[${batch.map((item) => item._json)}]}`,
      _items: batch,
    };
  };

  /** Sends the first of what waits; false: the server could not be reached. It never rejects. */
  const send = async (limit: number, leaving?: boolean, gone?: boolean): Promise<boolean> => {
    // A beacon of an earlier page has its own.
    const lost = sender._queue[0]?._head && losses._take();
    let items: Item[] = [];
    let reached = false;
    let patience = 0;
    try {
      const batch = takeBatch(sender._queue, limit, lost);
      items = batch._items;
      room -= batch._rest.length;
      left -= items.length;
      if (!leaving) sender._sent = items;
      const body = `{"v":1,"sent":${performance.timeOrigin + performance.now()},${batch._rest}`;
      // What the browser takes and cannot deliver is lost, so what would fail is kept as long as the page is. What is under
      // way when it goes fails too.
      if (leaving && navigator.onLine && (gone || wait === BATCH_MS) && sender._defer?.(body)) return true;
      const packed = (!leaving && (await sender._compress?.(body))) || body;
      if (forgotten) return false;
      const response = await fetch(config._endpoint, {
        method: "POST",
        body: packed,
        keepalive: true,
        credentials: "omit",
        priority: "low",
        signal: AbortSignal.timeout?.(ANSWER_MS),
      });
      // To the end: until then the beacon counts against the limit for all that are under way.
      await response.text();
      const { status, headers } = response;
      reached = status !== 429 && status < 500;
      if (reached && status >= 400) losses._count("refused", items.length);
      // It may be a date.
      patience = Math.min(Number(headers.get("retry-after")) || 0, MAX_RETRY_AFTER) * 1_000;
    } catch {}
    if (reached) wait = BATCH_MS;
    else {
      wait = Math.max(Math.min(2 * wait, MAX_DELAY_MS), patience);
      // It may have arrived even so: the server ignores an event whose id it knows.
      sender._queue.unshift(...items);
      for (const reason in lost) losses._count(reason, lost[reason]);
    }
    losses._guard(() => {
      schedule();
      sender._reached?.(reached);
    });
    return reached;
  };

  const drain = async () => {
    // Not before flush() knows of it.
    await undefined;
    // What comes meanwhile waits for more.
    while (left > 0 && sender._queue.length && (await send(sender._limit)));
    sending = undefined;
    losses._guard(schedule);
  };

  const flush = () => {
    clearTimeout(timer);
    timer = undefined;
    left = sender._queue.length;
    sending ??= drain();
    return sending;
  };

  const schedule = () => {
    if (sender._queue.length && !timer && !sending) timer = self.setTimeout(flush, wait);
  };

  const sender: Sender = {
    _queue: [],
    _sent: [],
    _limit: BATCH_LENGTH,
    _takeBatch: takeBatch,
    _schedule: schedule,
    _flush: flush,
    _enqueue(event, head) {
      const json = JSON.stringify(event);
      if (json.length > MAX_EVENT_LENGTH) losses._count("too_large");
      else if (sender._queue.length < MAX_EVENTS) sender._queue.push({ _json: json, _head: head });
      else losses._count("buffer_full");
      (sender._queue.length < BATCH_EVENTS || wait > BATCH_MS ? schedule : flush)();
    },
    _leave(gone) {
      for (room = LAST_LENGTH; room > 0 && sender._queue.length; ) send(BATCH_LENGTH, true, gone);
    },
    _stop(forget) {
      clearTimeout(timer);
      timer = -1;
      forgotten = !!forget;
      if (forget) sender._queue.length = 0;
    },
  };
  return sender;
}
