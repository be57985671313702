/**
 * The init that makes fetch(request, init) send these headers and is to the letter the same in all else. Objects that
 * are not plain (a Request as init, accessors of a class) are wrapped, since a copy would lose what they inherit.
 */
export function withHeaders(
  init: RequestInit | null | undefined,
  headers: Headers,
  request: Request | undefined,
): RequestInit {
  const prototype = init ? Object.getPrototypeOf(init) : null;
  if (init && prototype && prototype !== Object.prototype) {
    return new Proxy({}, { get: (_, key) => (key === "headers" ? headers : Reflect.get(init, key)) });
  }
  const copy: RequestInit = { ...init, headers };
  // An init that is not empty makes fetch forget the referrer of its Request (Fetch, "new Request(input, init)").
  if (request && !Object.values(init ?? {}).some((value) => value !== undefined)) {
    copy.referrer = request.referrer;
    copy.referrerPolicy = request.referrerPolicy;
  }
  return copy;
}
