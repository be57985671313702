import { eventProperties } from "./event-properties";
import { plainText } from "./plain-text";
import { randomHex } from "./random-hex";
import type { Agent, Fields } from "./start-agent";
import { trackActivity } from "./track-activity";

/** What follows an interaction within so long is its doing. */
const GRACE_MS = 30;
/** Actions that what comes late, such as a timing entry, may still belong to. */
const MAX_RECENT = 5;

/** What says in its text what it does; elsewhere the text may be what somebody typed. */
const CONTROLS = "a,button,label,summary,[role=button],[role=link],[role=tab],[role=option],[role^=menuitem]";
const FIELDS = "input,select,textarea,[contenteditable],[role=textbox]";

/**
 * Tells what the user does, and `startAction`. What follows, requests and errors among it, carries the action's id until it
 * has settled.
 */
export function trackActions(agent: Agent): void {
  agent._activity ??= trackActivity(agent);
  const follow = agent._activity;
  let recent: { _id: string; _from: number; _to: number }[] = [];

  const begin = (kind: string, name: string, start = performance.now(), grace?: number, fields?: Fields) => {
    const action = { _id: randomHex(8), _from: start, _to: Infinity };
    recent = [action, ...recent].slice(0, MAX_RECENT);
    const last = () => {
      action._to = performance.now();
      return {
        id: action._id,
        "action.id": undefined,
        "action.kind": kind,
        "action.name": plainText(name),
        ...fields,
      };
    };
    return follow("action", last, start, grace);
  };
  const interact = (kind: string, prefix: string, { target, timeStamp }: Event) => {
    // Enter clicks a button, and a click on a label its input: one interaction.
    if (target instanceof Element && recent.every(({ _from }) => Math.abs(timeStamp - _from) > GRACE_MS))
      begin(kind, prefix + nameOf(target), timeStamp, GRACE_MS);
  };

  agent._action = (at = performance.now()) => ({
    "action.id": recent.find(({ _from, _to }) => _from <= at && at < _to)?._id,
  });
  agent._listen(
    self,
    "click",
    (event: PointerEvent) => interact(event.pointerType === "touch" ? "tap" : "click", "", event),
    true,
  );
  agent._listen(
    self,
    "keydown",
    (event: KeyboardEvent) => {
      // What people type is their own.
      if (/^(Enter|Escape)$/.test(event.key) && !event.repeat) interact("key", `${event.key} `, event);
    },
    true,
  );
  agent._api.startAction = (name, properties) => {
    const end = begin("custom", name, undefined, undefined, eventProperties(properties));
    return { end: () => agent._losses._guard(() => end(performance.now())) };
  };
}

/** How people would call what was acted upon; never what they typed. */
function nameOf(target: Element): string {
  const named = target.closest(`[data-action-name],${CONTROLS},${FIELDS}`) ?? target;
  const said = (name: string) => named.getAttribute(name);
  const readable = named.matches(CONTROLS) && !named.closest(FIELDS) && !named.querySelector(FIELDS);
  const text = readable && (named.textContent as string).trim().replace(/\s+/g, " ");
  return (
    said("data-action-name") ||
    said("aria-label") ||
    text ||
    said("title") ||
    said("name") ||
    named.id ||
    named.localName
  );
}
