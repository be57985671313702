/**
 * Which URLs are meant, held against the absolute URL without user-info and fragment: text that it begins with (which may
 * be relative to the page: `/api/`), a regular expression, or a function. A pattern that is not usable, and a function that
 * throws, match nothing.
 */
export type UrlPattern = string | RegExp | ((request: { url: string }) => boolean);

/** What the application tells of an event: sent as `event_properties.<name>`, each value as JSON of at most 4,096 bytes. */
export type Properties = Record<string, unknown>;

/** What linking needs. */
export interface CoreOptions {
  /** `rum.application.id`: 16 lower-case hexadecimal digits. Without it requests carry `traceparent` alone. */
  applicationId: string;
  /** Where beacons go; relative to the page. Default: `/beacon` on the page's origin. */
  endpoint?: string | URL;
  /** Key of our tracestate entry: 8 hexadecimal digits, a dash, 8 more. Default: `7468726f-75676800`. */
  tenant?: string;
  /** `false`: no request gets a header; Server-Timing still links. Default: `true`. */
  propagation?: boolean;
  /** Requests to other origins that get the headers too. Their servers must allow both (CORS). Default: none. */
  crossOriginUrlPattern?: UrlPattern;
  /** Requests that never get the headers. Default: none. */
  excludeUrlPattern?: UrlPattern;
}

/** What the agent as a whole can be told. */
export interface Options extends CoreOptions {
  /**
   * `false`: a GET or HEAD that fails with our headers on it is not sent once more without them. Default: `true`, since a
   * server of another origin that does not allow the headers would otherwise break the page.
   */
  retryWithoutHeaders?: boolean;
  /** The share of sessions that are told, 0 to 1; the others get no headers and send nothing. Default: 1. */
  sampleRate?: number;
  /** The share of requests that get a trace context, 0 to 1; of the others the backend decides by itself. Default: 1. */
  traceSampleRate?: number;
  /** Query parameters whose values are told; all other values are told as `*`. `true`: all. Default: none. */
  allowQueryParameters?: readonly string[] | boolean;
  /** What is told as `*` wherever it is found in the path of a URL. Default: nothing. */
  maskPathPattern?: RegExp;
  /** The share of pages whose resources (scripts, images, ...) are told, 0 to 1. Default: 1. */
  resourceSampleRate?: number;
  /**
   * The cookie that names the session to backends, so that they know it on the requests of documents and their resources:
   * its name, and `Path` and `Domain` where they are not `/` and the page's host, as in `Set-Cookie`:
   * `name; Path=/shop; Domain=example.com`. Its value is `<rum.instance.id>.<session.id>`. Default: none is written.
   */
  sessionCookie?: string;
  /** `true`: nothing is stored, sent or observed before `grant()`. Default: `false`. */
  consentRequired?: boolean;
  /** `true`: nothing starts where the browser says Global Privacy Control. Default: `false`. */
  respectGlobalPrivacyControl?: boolean;
  /** `true`: nothing starts where the browser says Do Not Track. Default: `false`. */
  respectDoNotTrack?: boolean;
  /**
   * Gets each event (see the beacon format) before it is sent, and may change it or give another one in its place; `false`
   * or `null` drops it. An event is dropped too where this throws.
   */
  beforeSend?: (event: Record<string, unknown>) => unknown;
}
