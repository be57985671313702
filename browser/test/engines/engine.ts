/** The engines that the tests run in, each the name of a project in vitest.config.ts. */
export const ENGINES = ["chromium", "firefox", "webkit"] as const;

export type EngineName = (typeof ENGINES)[number];

/** A running engine, as it is handed from the process that started it to those that run the tests. */
export interface EngineAddress {
  name: EngineName;
  /** What the browser says of itself, such as `156.0.8078.108`. */
  version: string;
  /** Where it is reached; where one address serves one test at a time, one for each worker. */
  urls: string[];
}

/** An engine that the tests are connected to. */
export interface Engine {
  /** A fresh profile. `helpers` has run in a page before anything is evaluated there. */
  newProfile(helpers: () => void): Promise<Profile>;
  close(): Promise<void>;
}

/** A browser profile: storage, cookies and caches of its own. What is here is what every engine's driver can do. */
export interface Profile {
  newPage(): Promise<Page>;
  /** Cuts the network off, so that navigator.onLine tells it too. WebDriver has no such thing: it rejects in WebKit. */
  setOffline(offline: boolean): Promise<void>;
  close(): Promise<void>;
}

/** A tab. */
export interface Page {
  /** Resolves when the page is loaded. */
  goto(url: string): Promise<unknown>;
  /** The address of the page, as the last call saw it. */
  url(): string;
  /** Runs a function in the page, or the text of an expression; argument and result go over as JSON, and undefined. */
  evaluate<Argument, Result>(task: (argument: Argument) => Result, argument: Argument): Promise<Awaited<Result>>;
  evaluate<Result>(task: (() => Result) | string): Promise<Awaited<Result>>;
  /** Collects garbage; resolves with what is left in use, in bytes. Chromium alone can: it rejects elsewhere. */
  heapUsed(): Promise<number>;
  /** Clicks the first element of this selector, as a user would. */
  click(selector: string): Promise<void>;
  keyboard: {
    /** Presses and releases a key, as a user would: one of its characters, `Enter` or `Escape`. */
    press(key: string): Promise<void>;
  };
  /** Closes the tab. With `runBeforeUnload` the page is told, as when a user closes it. */
  close(options?: { runBeforeUnload: boolean }): Promise<void>;
}

/** An engine that was started, and what ends it and everything that was started with it. */
export interface Started {
  address: EngineAddress;
  stop(): Promise<void>;
}
