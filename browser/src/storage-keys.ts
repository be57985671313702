// What the agent keeps in the browser, so that revoke() can remove it.

/** In localStorage. */
export const INSTANCE_KEY = "throughline.instance";
export const SESSION_KEY = "throughline.session";
export const LAST_KEY = "throughline.last";
/** In sessionStorage. */
export const RETRIES_KEY = "throughline.retried";
/** Of IndexedDB. */
export const DATABASE = "throughline";

/** Removes all of it; what is blocked holds nothing. */
export function eraseStorage(): void {
  for (const erase of [
    () => localStorage.removeItem(INSTANCE_KEY),
    () => localStorage.removeItem(SESSION_KEY),
    () => localStorage.removeItem(LAST_KEY),
    () => sessionStorage.removeItem(RETRIES_KEY),
    () => indexedDB.deleteDatabase(DATABASE),
  ]) {
    try {
      erase();
    } catch {}
  }
}
