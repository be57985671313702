/**
 * Whether fetch takes this init for an empty one (Fetch, "new Request(input, init)"): members that it does not know, such as
 * those of frameworks, do not count. The browser is asked; a body is not, since that would use it up.
 */
function isEmpty(init: RequestInit): boolean {
  const referrerPolicy = "no-referrer";
  try {
    const asked = new Request(new Request("data:,", { referrerPolicy }), { ...init, body: undefined });
    return !init.body && asked.referrerPolicy === referrerPolicy;
  } catch {
    return false;
  }
}

/**
 * The init that makes fetch(request, init) send these headers and is to the letter the same in all else. Objects that
 * are not plain (a Request as init, accessors of a class) are wrapped, since a copy would lose what they inherit.
 */
export function withHeaders(init: RequestInit, headers: HeadersInit, request?: Request): RequestInit {
  const prototype = Object.getPrototypeOf(init);
  if (prototype && prototype !== Object.prototype) {
    return new Proxy({}, { get: (_, key) => (key === "headers" ? headers : Reflect.get(init, key)) });
  }
  // An init that is not empty makes fetch forget the referrer of its Request, and headers alone would make it so.
  return request && isEmpty(init)
    ? { referrer: request.referrer, referrerPolicy: request.referrerPolicy, ...init, headers }
    : { ...init, headers };
}
