import { createIdentity, type Identity } from "./identity";
import { pageStorage } from "./page-storage";

/** The identity that the tabs of an origin share. */
export function pageIdentity(): Identity {
  return createIdentity(pageStorage("localStorage"), Date.now);
}
