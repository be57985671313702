import { round } from "./round";
import type { Agent, Fields } from "./start-agent";
import { tellEvent } from "./tell-event";
import type { Call } from "./track-calls";

/**
 * Tells what lasts, an action or a view, when what it causes has settled, or when another one of its type begins; grace is
 * how long to wait for the first of that. Its fields are asked for then. Gives what ends it before: at this time, or with
 * the last that it caused so far.
 */
export type Activity = (type: string, fields: () => Fields, start?: number, grace?: number) => (at?: number) => void;

/** What it causes has settled when nothing followed for so long, or at the latest after so long. */
const QUIET_MS = 100;
const MAX_MS = 50_000;

interface Lasting {
  /** Of those that it caused: what is still under way. */
  readonly _calls: Set<Call>;
  /** When it has settled, if nothing follows. */
  _quiet: number;
  _end(at?: number): void;
}

/** The activity of a page: calls that begin meanwhile, resources, changes of the DOM. */
export function trackActivity(agent: Agent): Activity {
  /** By type. */
  const open = new Map<string, Lasting>();
  const { setTimeout } = self;
  const touch = (lasting: Lasting, at = performance.now()) => {
    lasting._quiet = Math.max(lasting._quiet, at + QUIET_MS);
  };
  const touchAll = (at?: number) => {
    for (const lasting of open.values()) touch(lasting, at);
  };
  const mutations = new MutationObserver(() => agent._losses._guard(touchAll));
  agent._undo.push(() => mutations.disconnect());
  agent._leaving.push(() => {
    for (const lasting of open.values()) lasting._end();
  });
  agent._calls.push((call) => {
    for (const lasting of open.values()) {
      if (call._end ? lasting._calls.delete(call) : lasting._calls.add(call)) touch(lasting);
    }
  });
  agent._resources.push((entry) => {
    if (!agent._config._own.includes(entry.name)) touchAll(entry.responseEnd);
  });

  return (type, fields, start = performance.now(), grace = QUIET_MS) => {
    open.get(type)?._end();
    const head = agent._head();
    const url = agent._config._told(location.href);
    const begun = performance.now();
    const lasting: Lasting = {
      _calls: new Set(),
      _quiet: begun + grace,
      _end(at = Math.max(begun, lasting._quiet - QUIET_MS)) {
        if (open.get(type) !== lasting) return;
        open.delete(type);
        if (!open.size) mutations.disconnect();
        tellEvent(agent, type, { start, duration: round(at - start), "url.full": url, ...fields() }, head);
      },
    };
    const check = () => {
      const now = performance.now();
      const wait = Math.min(begun + MAX_MS, lasting._calls.size ? now + QUIET_MS : lasting._quiet) - now;
      if (wait <= 0) lasting._end();
      else if (open.get(type) === lasting) setTimeout(() => agent._losses._guard(check), wait);
    };
    mutations.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
    open.set(type, lasting);
    check();
    return lasting._end;
  };
}
