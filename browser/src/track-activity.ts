import { round } from "./round";
import type { Agent, Fields } from "./start-agent";
import { tellEvent } from "./tell-event";
import type { Call } from "./track-calls";

/**
 * Tells what lasts, an action or a view, when what it causes has settled; grace is how long to wait for the first of that.
 * Its fields are asked for then. Gives what ends it before: at this time, or with the last that it caused so far.
 */
export type Activity = (type: string, start: number, grace: number, fields: () => Fields) => (at?: number) => void;

/** What it causes has settled when nothing followed for so long, or at the latest after so long. */
export const QUIET_MS = 100;
const MAX_MS = 50_000;

interface Lasting {
  readonly _calls: Set<Call>;
  _touch(at: number): void;
  _end(): void;
}

/** The activity of a page: calls that begin meanwhile, resources, changes of the DOM. */
export function trackActivity(agent: Agent): Activity {
  const open = new Set<Lasting>();
  const { setTimeout, clearTimeout } = self;
  const touch = (at: number) => {
    for (const lasting of open) lasting._touch(at);
  };
  const mutations = new MutationObserver(() => agent._losses._guard(() => touch(performance.now())));
  agent._undo.push(() => mutations.disconnect());
  agent._leaving.push(() => {
    for (const lasting of open) lasting._end();
  });
  agent._calls.push((call) => {
    for (const { _calls: calls, _touch: touch } of open) {
      if (call._end === undefined ? calls.add(call) : calls.delete(call)) touch(performance.now());
    }
  });
  agent._resources.push((entry) => {
    if (!agent._config._own.includes(entry.name)) touch(entry.responseEnd);
  });

  return (type, start, grace, fields) => {
    const head = agent._head();
    const url = agent._config._told(location.href);
    const begun = performance.now();
    const calls = new Set<Call>();
    let last = begun;
    let quietAt = begun + grace;
    let timer: number | undefined;
    const end = (at = last) => {
      if (!open.delete(lasting)) return;
      clearTimeout(timer);
      if (!open.size) mutations.disconnect();
      tellEvent(agent, type, { start, duration: round(at - start), "url.full": url, ...fields() }, head);
    };
    const lasting: Lasting = {
      _calls: calls,
      _touch(at) {
        if (at < last) return;
        last = at;
        quietAt = at + QUIET_MS;
      },
      _end: end,
    };
    const check = () => {
      const now = performance.now();
      const wait = Math.min(begun + MAX_MS, calls.size ? now + QUIET_MS : quietAt) - now;
      if (wait > 0) timer = setTimeout(() => agent._losses._guard(check), wait);
      else end();
    };
    if (!open.size) {
      mutations.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
    }
    open.add(lasting);
    check();
    return end;
  };
}
