/** Whether a member of RequestInit (Fetch, section 5.4) makes an init that is not empty: some are none of Request. */
const known = (name: string) =>
  name in Request.prototype ||
  /^(body|duplex|window)$/.test(name) ||
  // Not in every engine.
  (name === "priority" &&
    !new Request(new Request("data:,", { referrerPolicy: "no-referrer" }), { priority: "low" }).referrerPolicy);

/**
 * The init that makes fetch(request, init) send these headers and is to the letter the same in all else. Objects that
 * are not plain (a Request as init, accessors of a class) are wrapped, since a copy would lose what they inherit.
 */
export function withHeaders(
  init: RequestInit | null | undefined,
  headers: HeadersInit,
  request: Request | undefined,
): RequestInit {
  const given = init ?? {};
  const prototype = Object.getPrototypeOf(given);
  if (prototype && prototype !== Object.prototype) {
    return new Proxy({}, { get: (_, key) => (key === "headers" ? headers : Reflect.get(given, key)) });
  }
  const copy: RequestInit = { ...given, headers };
  // An init that is not empty makes fetch forget the referrer of its Request (Fetch, "new Request(input, init)"), and
  // headers alone made it so. Members that fetch does not know, such as those of frameworks, do not count.
  if (request && !Object.entries(given).some(([name, value]) => value !== undefined && known(name))) {
    copy.referrer = request.referrer;
    copy.referrerPolicy = request.referrerPolicy;
  }
  return copy;
}
