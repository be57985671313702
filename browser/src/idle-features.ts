import { answerWorkers } from "./answer-workers";
import { compressBeacons } from "./compress-beacons";
import { explainVitals } from "./explain-vitals";
import { keepOffline } from "./keep-offline";
import type { Feature } from "./start-agent";
import { trackLongFrames } from "./track-long-frames";

/** The version of the internal names of this build; files of different builds cannot work together. */
declare const NAMES_VERSION: string;
export const version = NAMES_VERSION;

/** What can wait until the page is idle: a file of its own, so that the one that pages begin with is small. */
export const idleFeatures: readonly Feature[] = [
  explainVitals,
  trackLongFrames,
  compressBeacons,
  answerWorkers,
  // Last: when the page is left, it keeps what the others tell then.
  keepOffline,
];
