export interface Store {
  _get(key: string): string | null;
  _set(key: string, value: string): void;
}

/** localStorage, shared by the tabs of an origin; where it is blocked or full, the page's memory. */
export function pageStorage(): Store {
  const memory = new Map<string, string>();
  return {
    _get(key) {
      try {
        return memory.get(key) ?? localStorage.getItem(key);
      } catch {
        return null;
      }
    },
    _set(key, value) {
      try {
        localStorage.setItem(key, value);
        memory.delete(key);
      } catch {
        memory.set(key, value);
      }
    },
  };
}
