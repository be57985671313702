import { MAX_IDLE, WRITE_INTERVAL } from "./identity";
import type { Feature } from "./start-agent";
import { COOKIE_KEY } from "./storage-keys";

/**
 * Names the session in this cookie, `name; Path=/; Domain=...`, as `<rum.instance.id>.<session.id>` (linking contract,
 * section 5), so that backends know whose the requests of documents and their resources are. It lives as long as a session
 * without activity. Where it could not be removed, since storage is blocked or full, there is none.
 */
export function writeSessionCookie(cookie?: string): Feature {
  return (agent) => {
    if (!cookie) return;
    const identity = agent._identity;
    const ask = identity._session;
    let written: string | undefined;
    identity._session = () => {
      const session = ask();
      const current = session + Math.floor(Date.now() / WRITE_INTERVAL);
      if (current !== written) {
        written = current;
        // Of an attribute that is there twice the last one counts.
        const text =
          cookie.replace(/;|$/, `=${identity._instance}.${session}; Path=/;`) +
          `; SameSite=Lax;${location.protocol === "https:" ? " Secure;" : ""} Max-Age=`;
        try {
          localStorage.setItem(COOKIE_KEY, `${text}0`);
          // biome-ignore lint/suspicious/noDocumentCookie: not every engine has cookieStore
          document.cookie = text + (agent._isOut?.(session) ? 0 : MAX_IDLE / 1000);
        } catch {}
      }
      return session;
    };
    identity._session();
  };
}
