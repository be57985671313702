import { forward } from "./forward";
import type { Properties } from "./options";
import { eraseStorage } from "./storage-keys";

/** An action that the application told. */
export interface Action {
  /** Ends it. Without this it ends when what it caused has settled. */
  end(): void;
}

/** What the agent that runs does for the functions below; a feature that is not there leaves its own out. */
export interface Api {
  setUser(id?: string): void;
  addEvent(name: string, properties?: Properties): void;
  addError(error: unknown, properties?: Properties): void;
  startView(name?: string, properties?: Properties): void;
  startAction(name: string, properties?: Properties): Action;
  getTraceHeaders(url: string): Record<string, string>;
  grant(): void;
  revoke(): void;
  flush(): Promise<void>;
  shutdown(): Promise<void>;
}

const soon = async () => {};

/** Names the user from now on, as `user.id` on each event; without an id they are anonymous again. */
export const setUser: Api["setUser"] = /* @__PURE__ */ forward("setUser");

/** Tells something that the application deems worth it (beacon format, `"type": "custom"`). Names have at most 256 bytes. */
export const addEvent: Api["addEvent"] = /* @__PURE__ */ forward("addEvent");

/**
 * Tells an error that the application caught. The request that failed is told with it where the error, its `cause`,
 * `response` or `request` came from a call.
 */
export const addError: Api["addError"] = /* @__PURE__ */ forward("addError");

/** Begins a new view of the page; changes of the path, and of the hash where it is a route, do so by themselves. */
export const startView: Api["startView"] = /* @__PURE__ */ forward("startView");

/** Begins an action: what follows, requests and errors among it, belongs to it until it has settled or is ended. */
export const startAction: Api["startAction"] = /* @__PURE__ */ forward("startAction", () => ({ end() {} }));

/**
 * The headers that a request to this URL should carry, for code that sends it by other means than `fetch` and
 * `XMLHttpRequest`; those add them by themselves. None where the configuration says so.
 */
export const getTraceHeaders: Api["getTraceHeaders"] = /* @__PURE__ */ forward("getTraceHeaders", () => ({}));

/** Says that the user agreed: the agent starts, where `consentRequired` held it back. */
export const grant: Api["grant"] = /* @__PURE__ */ forward("grant");

/** Says that the user no longer agrees: the agent ends, sends nothing more, and removes all that it kept in the browser. */
export const revoke: Api["revoke"] = /* @__PURE__ */ forward("revoke", eraseStorage);

/** Sends what is known now. Resolves when the server has answered, or could not be reached; never rejects. */
export const flush: Api["flush"] = /* @__PURE__ */ forward("flush", soon);

/** Restores all that the agent replaced, stops observing and sends what is left, as `flush` does. `init` may follow. */
export const shutdown: Api["shutdown"] = /* @__PURE__ */ forward("shutdown", soon);
