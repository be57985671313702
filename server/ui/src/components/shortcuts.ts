import { useLayoutEffect, useRef } from 'preact/hooks';
import { readPreference, writePreference } from './preferences.ts';

/** Keys by KeyboardEvent.key; a handler that returns false leaves the event alone. */
export type Shortcuts = Record<string, (event: KeyboardEvent) => unknown>;

/** shortcutsEnabled reports whether keys of a single character act (WCAG 2.1.4 wants an off switch). */
export function shortcutsEnabled(): boolean {
  return readPreference('shortcuts') !== 'off';
}

export function enableShortcuts(on: boolean): void {
  writePreference('shortcuts', on ? '' : 'off');
}

/** useShortcuts binds keys for the whole page, except while text is typed or a dialog is open. */
export function useShortcuts(shortcuts: Shortcuts): void {
  const current = useRef(shortcuts);
  current.current = shortcuts;
  // Before the first paint: what can be seen can be used.
  useLayoutEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing)
        return;
      if (document.querySelector('dialog[open]') || isEditable(event.target)) return;
      if (event.key.length === 1 && !shortcutsEnabled()) return;
      const handler = Object.hasOwn(current.current, event.key) ? current.current[event.key] : undefined;
      if (handler && handler(event) !== false) event.preventDefault();
    };
    document.addEventListener('keydown', onKey);
    return () => document.removeEventListener('keydown', onKey);
  }, []);
}

function isEditable(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.matches('input, select, textarea, [contenteditable]');
}
