/** readPreference returns a choice that this browser keeps; empty where none is kept. */
export function readPreference(name: string): string {
  try {
    return localStorage.getItem(`throughline.${name}`) ?? '';
  } catch {
    return '';
  }
}

/** writePreference keeps a choice in this browser; an empty one is forgotten. Blocked storage is no error. */
export function writePreference(name: string, value: string): void {
  try {
    if (value) localStorage.setItem(`throughline.${name}`, value);
    else localStorage.removeItem(`throughline.${name}`);
  } catch {
    // The choice then holds until the page is left.
  }
}
