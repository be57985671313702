// What the agent keeps in the browser, so that revoke() can remove it.

/** In localStorage. */
export const INSTANCE_KEY = "throughline.instance";
export const SESSION_KEY = "throughline.session";
export const LAST_KEY = "throughline.last";
/** What document.cookie takes to remove the session cookie: its name, path and domain, as it was written last. */
export const COOKIE_KEY = "throughline.cookie";
/** In sessionStorage. */
export const RETRIES_KEY = "throughline.retried";
/** Of IndexedDB. */
export const DATABASE = "throughline";

/** Removes all of it; what is blocked holds nothing, and where no cookie was written the first one throws. */
export function eraseStorage(): void {
  for (const erase of [
    () => {
      // biome-ignore lint/suspicious/noDocumentCookie: not every engine has cookieStore, and nothing waits for this
      document.cookie = localStorage[COOKIE_KEY].trim();
    },
    () => localStorage.removeItem(INSTANCE_KEY),
    () => localStorage.removeItem(SESSION_KEY),
    () => localStorage.removeItem(LAST_KEY),
    () => localStorage.removeItem(COOKIE_KEY),
    () => sessionStorage.removeItem(RETRIES_KEY),
    () => indexedDB.deleteDatabase(DATABASE),
  ]) {
    try {
      erase();
    } catch {}
  }
}
