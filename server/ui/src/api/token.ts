const key = 'throughline.api_token';

/** A token as the server takes it: what a bearer token may consist of (RFC 6750, section 2.1). */
export const tokenPattern = '[A-Za-z0-9._~+\\/=\\-]+';

/** apiToken returns the token that this tab was given; null where there is none. */
export function apiToken(): string | null {
  try {
    return sessionStorage.getItem(key);
  } catch {
    return null; // storage is blocked, and so nothing was kept
  }
}

/** keepApiToken keeps a token until the tab is closed, in no other tab and on no disk. */
export function keepApiToken(token: string): void {
  try {
    sessionStorage.setItem(key, token);
  } catch {
    // Storage is blocked: the form comes back, and says that it is needed.
  }
}
