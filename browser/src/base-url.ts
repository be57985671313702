/** What relative URLs are relative to: the page, or the worker's script. */
export function baseUrl(): string {
  return self.document ? document.baseURI : location.href;
}
