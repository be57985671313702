import { eventProperties } from "./event-properties";
import { maskText } from "./mask-text";
import { plainText } from "./plain-text";
import type { Agent, Fields } from "./start-agent";
import { tellEvent } from "./tell-event";

/** Limits in bytes. */
const MAX_MESSAGE = 4_096;
const MAX_STACK = 16_384;
const MAX_CAUSES = 5;
/** Of one page load: how often the same error is told, and how many different ones. */
const MAX_REPEATS = 5;
const MAX_ERRORS = 100;

/** Errors as applications and their HTTP clients make them: those of ky hold the response, those of axios the request. */
type Thrown = Partial<Error> & { cause?: unknown; response?: unknown; request?: unknown };

/** Its name, its message, its stack, and the URL of what did not load. */
type Description = [type: unknown, message: unknown, stack?: string, url?: string | undefined];

/**
 * Tells what nobody caught, promises' rejections, elements that did not load, breaches of the content security policy, and
 * `addError`; with the request that failed, where the error, its cause, its response or its request is that call's. Of a
 * request that the policy blocked it says so.
 */
export function trackErrors(agent: Agent): void {
  /** The event of the request that each error, Response and XMLHttpRequest came from. */
  const requests = new WeakMap<object, string>();
  const times = new Map<string, number>();
  const { _guard: guard, _count: count } = agent._losses;
  /** A policy also names what has no URL by a word, such as inline. */
  const told = (url: string) => (url.includes(":") ? agent._config._told(url) : url) || undefined;

  const requestOf = (value: unknown, depth = 0): string | undefined => {
    if (!isObject(value) || depth > MAX_CAUSES) return undefined;
    const { cause, response, request } = value;
    return [response, request, cause].reduce<string | undefined>(
      (id, part) => id ?? requestOf(part, depth + 1),
      requests.get(value),
    );
  };
  const tell = (source: string, [type, message, stack = "", url]: Description, fields?: Fields) => {
    const said = {
      "error.source": source,
      "exception.type": plainText(type) || undefined,
      "exception.message": maskText(agent, plainText(message, MAX_MESSAGE)),
      "exception.stacktrace": maskText(agent, plainText(stack, MAX_STACK)) || undefined,
      "error.resource_url": url,
    };
    const key = JSON.stringify(said);
    const before = times.get(key) ?? (times.size < MAX_ERRORS ? 0 : MAX_REPEATS);
    if (before === MAX_REPEATS) return count("too_many_errors");
    times.set(key, before + 1);
    tellEvent(agent, "error", { ...said, ...fields });
  };
  const tellThrown = (source: string, thrown: unknown, fields?: object) =>
    tell(source, guard(() => describe(thrown)) ?? [typeof thrown, "not readable"], {
      "error.request_id": guard(() => requestOf(thrown)),
      ...fields,
    });

  agent._calls.push((call, carrier) => {
    if (isObject(carrier)) requests.set(carrier, call._id);
  });
  const onError = ({ target, error, message, filename, lineno, colno }: ErrorEvent) => {
    if (target !== self) {
      const { localName, src, href } = target as HTMLImageElement & HTMLLinkElement;
      const url = src || href;
      tell("resource", ["", `<${localName}> did not load`, "", typeof url === "string" ? told(url) : undefined]);
    } else if (error) tellThrown("exception", error);
    // Of a script of another origin the browser says no more.
    else tell("exception", ["", message, filename && `${filename}:${lineno}:${colno}`]);
  };
  agent._listen(self, "error", onError, true);
  agent._listen(self, "unhandledrejection", (event: PromiseRejectionEvent) =>
    tellThrown("unhandled_rejection", event.reason),
  );
  agent._listen(self, "securitypolicyviolation", (event: SecurityPolicyViolationEvent) => {
    const { blockedURI: uri, effectiveDirective: directive, disposition } = event;
    if (uri === agent._config._endpoint) return;
    const enforced = disposition === "enforce";
    for (const call of agent._track._open()) {
      if (enforced && call._url === uri && !call._status) call._error = "csp";
    }
    const blocked = told(uri);
    const message = `${blocked} ${enforced ? "broke" : "would break"} ${directive}`;
    tell("csp", [directive, message], {
      "csp.blocked_uri": blocked,
      "csp.disposition": disposition,
      "csp.source_file": told(event.sourceFile),
      "csp.line_number": event.lineNumber || undefined,
    });
  });
  agent._api.addError = (error, properties) =>
    tellThrown("reported", error, { "error.handled": true, ...eventProperties(properties) });
}

function isObject(value: unknown): value is Thrown {
  return Object(value) === value;
}

/** An error's description, with its causes in the stack. Of an object that is none only the names: it may hold what people typed. */
function describe(thrown: unknown, depth = 0): Description {
  if (!isObject(thrown) || !("message" in thrown)) {
    return [typeof thrown, isObject(thrown) ? `{${Object.keys(thrown)}}` : thrown];
  }
  const { name = "", message, stack = "", cause } = thrown;
  if (!cause || depth === MAX_CAUSES) return [name, message, stack];
  const [type, why, where = ""] = describe(cause, depth + 1);
  return [name, message, `${stack}\nCaused by: ${type}: ${why}\n${where}`];
}
