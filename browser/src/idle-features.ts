import { answerWorkers } from "./answer-workers";
import { compressBeacons } from "./compress-beacons";
import { explainVitals } from "./explain-vitals";
import { keepOffline } from "./keep-offline";
import type { Options } from "./options";
import type { Agent, Feature } from "./start-agent";
import { trackLongFrames } from "./track-long-frames";
import { writeSessionCookie } from "./write-session-cookie";

/** Of this build's internal names. */
declare const NAMES_VERSION: string;

/**
 * Starts what can wait until the page is idle: a file of its own, so that the one that pages begin with is small. It throws
 * where the agent calls what is internal by other names, as when one of the two files is a cache's.
 */
export function startIdle(agent: Agent, version: string, options: Options): void {
  if (version !== NAMES_VERSION) throw version;
  const features: readonly Feature[] = [
    explainVitals,
    trackLongFrames,
    compressBeacons,
    answerWorkers,
    writeSessionCookie(options.sessionCookie),
    // Last: when the page is left, it keeps what the others tell then.
    keepOffline,
  ];
  for (const feature of features) agent._losses._guard(() => feature(agent));
}
