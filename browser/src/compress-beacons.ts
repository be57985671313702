import type { Agent } from "./start-agent";

/** Below this the gain is not worth the work. */
const MIN_LENGTH = 1_000;

/** The events of a beacon, which are a seventh of it when compressed. With its head it stays below 60,000. */
const BATCH_LENGTH = 58_000;

/** Sends beacons as gzip, where the browser can. Their type stays text/plain, which spares the CORS preflight. */
export function compressBeacons(agent: Agent): void {
  if (!self.CompressionStream) return;
  const { _sender: sender } = agent;
  const { _limit: limit } = sender;
  sender._limit = BATCH_LENGTH;
  let packing: string | undefined;
  sender._compress = async (body) => {
    if (body.length < MIN_LENGTH) return body;
    packing = body;
    try {
      const parts: BlobPart[] = [];
      // A Response of it would be shorter, but in Firefox the page is told of a promise of that: rejectionhandled.
      await new Blob([body])
        .stream()
        .pipeThrough(new CompressionStream("gzip"))
        .pipeTo(new WritableStream({ write: (part) => void parts.push(part) }));
      return new Blob(parts, { type: "text/plain" });
    } catch (error) {
      // From now on they go as they are, and shorter.
      sender._compress = undefined;
      sender._limit = limit;
      throw error;
    } finally {
      packing = undefined;
    }
  };
  // The page may be gone before it is packed; of what comes twice the server ignores the second.
  agent._leaving.push(() => packing && navigator.sendBeacon(agent._config._endpoint, packing));
}
