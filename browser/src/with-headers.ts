/** Whether fetch knows a member of RequestInit (Fetch, section 5.4): some are none of Request, or not in every engine. */
const known = (name: string) => name in Request.prototype || /^(body|duplex|priority|window)$/.test(name);

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
  // An init that is not empty makes fetch forget the referrer of its Request (Fetch, "new Request(input, init)"), and
  // headers alone made it so. Members that fetch does not know, such as those of frameworks, do not count.
  if (request && !Object.entries(init ?? {}).some(([name, value]) => value !== undefined && known(name))) {
    copy.referrer = request.referrer;
    copy.referrerPolicy = request.referrerPolicy;
  }
  return copy;
}
