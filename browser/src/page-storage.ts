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
        const value = localStorage.getItem(key);
        if (value !== null) return value;
      } catch {}
      return memory.get(key) ?? null;
    },
    _set(key, value) {
      memory.set(key, value);
      try {
        localStorage.setItem(key, value);
      } catch {}
    },
  };
}
