import { useLayoutEffect, useState } from 'preact/hooks';
import { MoonIcon, SunIcon, SystemIcon } from './icons.tsx';
import { readPreference, writePreference } from './preferences.ts';

const themes = ['', 'light', 'dark'] as const;
type Theme = (typeof themes)[number];

const names: Record<Theme, string> = { '': 'system', light: 'light', dark: 'dark' };
const icons = { '': SystemIcon, light: SunIcon, dark: MoonIcon };

/** ThemeToggle goes from the system's theme to light to dark, and keeps the choice. */
export function ThemeToggle() {
  const [theme, setTheme] = useState<Theme>(() => themes.find((t) => t === readPreference('theme')) ?? '');
  useLayoutEffect(() => {
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    writePreference('theme', theme);
  }, [theme]);
  const Icon = icons[theme];
  const next = themes[(themes.indexOf(theme) + 1) % themes.length] ?? '';
  const label = `Theme: ${names[theme]}. Change to ${names[next]}`;
  return (
    <button
      type="button"
      class="button quiet square"
      onClick={() => setTheme(next)}
      aria-label={label}
      title={label}
    >
      <Icon />
    </button>
  );
}
