export interface Store {
  _get(key: string): string | null;
  _set(key: string, value: string): void;
}

/** localStorage or sessionStorage; where it is blocked or full, the page's memory. */
export function pageStorage(name: "localStorage" | "sessionStorage"): Store {
  const memory = new Map<string, string>();
  return {
    _get(key) {
      try {
        return memory.get(key) ?? self[name].getItem(key);
      } catch {
        return null;
      }
    },
    _set(key, value) {
      try {
        self[name].setItem(key, value);
        memory.delete(key);
      } catch {
        memory.set(key, value);
      }
    },
  };
}
