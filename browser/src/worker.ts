import { compressBeacons } from "./compress-beacons";
import { filterEvents } from "./filter-events";
import { giveHeaders } from "./give-headers";
import { initWithConsent } from "./init-with-consent";
import { markUser } from "./mark-user";
import { maskUrls } from "./mask-urls";
import { measureClock } from "./measure-clock";
import type { Options } from "./options";
import { retryWithoutHeaders } from "./retry-without-headers";
import { sampleSessions } from "./sample-sessions";
import { sampleTraces } from "./sample-traces";
import { tellTimings } from "./tell-timings";
import { trackErrors } from "./track-errors";
import { trackEvents } from "./track-events";
import { workerIdentity } from "./worker-identity";

export type { CoreOptions, Options, Properties, UrlPattern } from "./options";
export { addError, addEvent, flush, getTraceHeaders, grant, revoke, setUser, shutdown } from "./public-api";

/**
 * Starts the agent in a worker. Instance and session are those of the origin's pages, where an agent runs on one; until it
 * has answered, requests carry `traceparent` alone. Consent is given and taken back in the worker as on a page.
 */
export function init(options: Options): void {
  initWithConsent(options, workerIdentity, [
    tellTimings,
    measureClock,
    maskUrls(options),
    ...(options.retryWithoutHeaders === false ? [] : [retryWithoutHeaders]),
    sampleSessions(options.sampleRate ?? 1),
    sampleTraces(options.traceSampleRate ?? 1),
    markUser,
    giveHeaders,
    compressBeacons,
    trackErrors,
    trackEvents,
    ...(options.beforeSend ? [filterEvents(options.beforeSend)] : []),
  ]);
}
