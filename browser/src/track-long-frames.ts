import { maskText } from "./mask-text";
import { plainText } from "./plain-text";
import { round } from "./round";
import type { Agent } from "./start-agent";
import { tellEvent } from "./tell-event";

/** How many a page tells. */
const MAX_FRAMES = 50;
/** How many scripts of each, and the limit of a text of theirs in bytes: all are one attribute, of 4,096 bytes. */
const MAX_SCRIPTS = 3;
const MAX_TEXT = 350;

interface Script {
  readonly duration: number;
  readonly invoker: string;
  readonly sourceURL: string;
  readonly sourceFunctionName: string;
  readonly forcedStyleAndLayoutDuration: number;
}

interface LongFrame extends PerformanceEntry {
  readonly blockingDuration?: number;
  readonly scripts?: readonly Script[];
}

/** Tells frames that took over 50 ms, with what ran in them (Long Animation Frames API); else the tasks that did. */
export function trackLongFrames(agent: Agent): void {
  let frames = 0;
  // They stand in alphabetical order: long-animation-frame before longtask.
  const type = PerformanceObserver.supportedEntryTypes.find((type) => /^long(-a|t)/.test(type));
  if (!type) return;
  const text = (value: string) => plainText(value, MAX_TEXT) || undefined;
  agent._observe(type, (entry) => {
    const { startTime: start, duration, blockingDuration, scripts } = entry as LongFrame;
    if (start < agent._since) return;
    if (++frames > MAX_FRAMES) return agent._losses._count("too_many_long_frames");
    tellEvent(agent, "long_frame", {
      start,
      duration: round(duration),
      "long_frame.kind": scripts ? "animation_frame" : "task",
      "long_frame.blocking_duration": blockingDuration && round(blockingDuration),
      "long_frame.scripts": scripts
        ?.map((script) => ({
          duration: round(script.duration),
          invoker: text(maskText(agent, script.invoker)),
          source: text(script.sourceURL && agent._config._told(script.sourceURL)),
          function: text(script.sourceFunctionName),
          layout: round(script.forcedStyleAndLayoutDuration) || undefined,
        }))
        .sort((a, b) => b.duration - a.duration)
        .slice(0, MAX_SCRIPTS),
    });
  });
}
