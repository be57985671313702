import { failureReason } from "./failure-reason";
import type { Agent } from "./start-agent";
import type { Call, CallTracker } from "./track-calls";
import { withHeaders } from "./with-headers";
import { wrapMethod } from "./wrap-method";

type Arguments = Parameters<typeof fetch>;

/** Wraps fetch. Bodies are never read, and Requests never rebuilt. */
export function wrapFetch(agent: Agent, tracker: CallTracker): void {
  const guard = agent._losses._guard;

  /** The call, what to send, and the signal that ends it. */
  const prepare = (input: Arguments[0], init: Arguments[1], request: Request | undefined) => {
    const of = <Name extends keyof Request & keyof RequestInit>(name: Name) =>
      (init?.[name] === undefined ? request?.[name] : init[name]) as Request[Name] | undefined;
    const given = of("headers");
    const headers = given === undefined ? given : new Headers(given);
    const call = tracker._begin({
      _kind: "fetch",
      _url: request ? request.url : String(input),
      _method: String(of("method") ?? "GET"),
      _noCors: of("mode") === "no-cors",
      _keepalive: !!of("keepalive"),
      _given: headers,
    });
    if (!call) return undefined;
    for (const name in call._headers) headers?.set(name, call._headers[name] as string);
    // Fetch takes a plain object three times as fast.
    const sent = call._headers ? withHeaders(init ?? {}, headers ?? call._headers, request) : init;
    return [call, sent, of("signal")] as [Call, Arguments[1], AbortSignal | undefined];
  };

  wrapMethod(agent, self, "fetch", (_, args, send) => {
    let [input, init] = args;
    if (!args.length || (init && Object(init) !== init)) return send(...args);
    // Whatever the page passes may throw when it is looked at; the browser's own function then says so. A Request may be of
    // another frame, and is then not an instance of ours.
    const request = guard(() => (input as Request | null)?.url) ? (input as Request) : undefined;
    const iterator = guard(() => {
      const headers = init?.headers as (Iterable<[string, string]> & { next?: unknown }) | undefined;
      return headers?.next ? headers : undefined;
    });
    if (init && iterator) {
      // It can be read once.
      try {
        init = withHeaders(init, [...iterator], request);
      } catch (error) {
        return Promise.reject(error);
      }
    }
    const prepared = guard(() => prepare(input, init, request));
    if (!prepared) return init === args[1] ? send(...args) : send(input, init);
    const [call, first, signal] = prepared;

    let atOnce = true;
    const follow = (sent: Arguments[1]): Promise<Response> => {
      const promise = tracker._send(call, () => send(input, sent)) as Promise<Response> | undefined;
      // The page gets the promise that follows ours: were it given the first one, its rejection would count as handled.
      return (
        promise?.then?.(
          (response) => {
            guard(() => tracker._settle(call, response.status, "", response));
            return response;
          },
          (error) => {
            const reason =
              guard(() =>
                failureReason(((signal?.aborted && signal.reason) || error)?.name, signal?.aborted, atOnce),
              ) ?? "unknown_reason";
            const fail = () => {
              guard(() => tracker._settle(call, 0, reason, error));
              throw error;
            };
            const again = guard(() => agent._retry?.(call, reason));
            return again ? again.then((may) => (may ? follow(init) : fail())) : fail();
          },
        ) ?? (promise as unknown as Promise<Response>)
      );
    };
    const result = follow(first);
    queueMicrotask(() => {
      atOnce = false;
    });
    return result;
  });
}
