import { initAgent } from "./init-agent";
import type { CoreOptions } from "./options";
import { pageIdentity } from "./page-identity";
import type { Feature } from "./start-agent";

export type { CoreOptions, Properties, UrlPattern } from "./options";
export * from "./public-api";
export type { Feature } from "./start-agent";

/**
 * Starts the agent with what links requests alone, and with the features that are given. It never throws: bad options are
 * told on the console, and without a usable endpoint nothing starts. There is one agent a page.
 */
export function init(options: CoreOptions, features: readonly Feature[] = []): void {
  initAgent(options, pageIdentity, features);
}

export { answerWorkers } from "./answer-workers";
export { compressBeacons } from "./compress-beacons";
export { deferBeacons } from "./defer-beacons";
export { explainVitals } from "./explain-vitals";
export { filterEvents } from "./filter-events";
export { giveHeaders } from "./give-headers";
export { keepOffline } from "./keep-offline";
export { markRequests } from "./mark-requests";
export { markUser } from "./mark-user";
export { maskUrls } from "./mask-urls";
export { measureClock } from "./measure-clock";
export { retryWithoutHeaders } from "./retry-without-headers";
export { sampleResources } from "./sample-resources";
export { sampleSessions } from "./sample-sessions";
export { sampleTraces } from "./sample-traces";
export { tellTimings } from "./tell-timings";
export { trackActions } from "./track-actions";
export { trackErrors } from "./track-errors";
export { trackEvents } from "./track-events";
export { trackLongFrames } from "./track-long-frames";
export { trackViews } from "./track-views";
export { trackVisibility } from "./track-visibility";
export { trackVitals } from "./track-vitals";
export { writeSessionCookie } from "./write-session-cookie";
