import { deferBeacons } from "./defer-beacons";
import { filterEvents } from "./filter-events";
import { giveHeaders } from "./give-headers";
import { type LoadIdle, loadWhenIdle } from "./load-when-idle";
import { markRequests } from "./mark-requests";
import { markUser } from "./mark-user";
import { maskUrls } from "./mask-urls";
import { measureClock } from "./measure-clock";
import type { Options } from "./options";
import { retryWithoutHeaders } from "./retry-without-headers";
import { sampleResources } from "./sample-resources";
import { sampleSessions } from "./sample-sessions";
import { sampleTraces } from "./sample-traces";
import type { Feature } from "./start-agent";
import { tellTimings } from "./tell-timings";
import { trackActions } from "./track-actions";
import { trackErrors } from "./track-errors";
import { trackEvents } from "./track-events";
import { trackViews } from "./track-views";
import { trackVisibility } from "./track-visibility";
import { trackVitals } from "./track-vitals";

const nothing = () => {};

/** Everything that the agent can do on a page; load brings what can wait. */
export function allFeatures(options: Options, load: LoadIdle): Feature[] {
  return [
    tellTimings,
    measureClock,
    maskUrls(options),
    options.retryWithoutHeaders === false ? nothing : retryWithoutHeaders,
    sampleSessions(options.sampleRate ?? 1),
    sampleTraces(options.traceSampleRate ?? 1),
    markUser,
    sampleResources(options.resourceSampleRate ?? 1),
    markRequests,
    giveHeaders,
    deferBeacons,
    trackViews,
    trackActions,
    trackErrors,
    trackEvents,
    trackVisibility,
    trackVitals,
    filterEvents(options.beforeSend ?? nothing),
    loadWhenIdle(load, options),
  ];
}
