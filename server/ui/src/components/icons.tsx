import type { ComponentChildren } from 'preact';
import type { LinkStatus } from '../api/types.ts';

function Icon({ children, size = 16 }: { children: ComponentChildren; size?: number }) {
  return (
    <svg
      class="icon"
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      stroke-width="1.5"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      {children}
    </svg>
  );
}

export function Logo() {
  return (
    <svg class="logo" width="28" height="16" viewBox="0 0 28 16" aria-hidden="true" focusable="false">
      <path d="M4 12c7 0 6-8 10-8s3 8 10 8" fill="none" stroke="var(--accent)" stroke-width="2" />
      <circle cx="4" cy="12" r="3" fill="currentColor" />
      <circle cx="24" cy="12" r="3" fill="currentColor" />
    </svg>
  );
}

/**
 * VerdictGlyph draws what became of the line between the two ends: whole, thin with an
 * open end, cut, none, or still dotted.
 */
export function VerdictGlyph({ status }: { status: LinkStatus }) {
  return (
    <svg class="glyph" width="22" height="10" viewBox="0 0 22 10" aria-hidden="true" focusable="false">
      <g fill="none" stroke="currentColor" stroke-width="1.75">
        {glyphs[status]}
      </g>
    </svg>
  );
}

const glyphs: Record<LinkStatus, ComponentChildren> = {
  linked: (
    <>
      <path d="M4 5h14" />
      <circle cx="4" cy="5" r="2.6" fill="currentColor" />
      <circle cx="18" cy="5" r="2.6" fill="currentColor" />
    </>
  ),
  partial: (
    <>
      <path d="M4 5h11" stroke-dasharray="4 2.4" />
      <circle cx="4" cy="5" r="2.6" fill="currentColor" />
      <circle cx="18" cy="5" r="2.6" />
    </>
  ),
  unlinked: (
    <>
      <path d="M7 5h1.4M13.6 5H15M9.4 8.4l3.2-6.8" />
      <circle cx="4" cy="5" r="2.6" fill="currentColor" />
      <circle cx="18" cy="5" r="2.6" />
    </>
  ),
  not_applicable: (
    <>
      <circle cx="4" cy="5" r="2.6" fill="currentColor" />
      <path d="M9 1.6v6.8" />
    </>
  ),
  pending: (
    <>
      <path d="M8 5h7" stroke-dasharray="0.1 3.2" stroke-linecap="round" stroke-width="2.2" />
      <circle cx="4" cy="5" r="2.6" fill="currentColor" />
      <circle cx="18" cy="5" r="2.6" stroke-dasharray="2 1.6" />
    </>
  ),
};

export function SunIcon() {
  return (
    <Icon>
      <circle cx="8" cy="8" r="3" />
      <path d="M8 1.5v1.2M8 13.3v1.2M1.5 8h1.2M13.3 8h1.2M3.4 3.4l.8.8M11.8 11.8l.8.8M3.4 12.6l.8-.8M11.8 4.2l.8-.8" />
    </Icon>
  );
}

export function MoonIcon() {
  return (
    <Icon>
      <path d="M13.5 9.6A5.8 5.8 0 0 1 6.4 2.5a5.8 5.8 0 1 0 7.1 7.1Z" />
    </Icon>
  );
}

export function SystemIcon() {
  return (
    <Icon>
      <circle cx="8" cy="8" r="5.8" />
      <path d="M8 2.2v11.6A5.8 5.8 0 0 0 8 2.2Z" fill="currentColor" />
    </Icon>
  );
}

export function CopyIcon() {
  return (
    <Icon size={14}>
      <rect x="5.5" y="5.5" width="8" height="8" rx="1.5" />
      <path d="M10.5 3.5v-1h-8v8h1" />
    </Icon>
  );
}

export function CheckIcon() {
  return (
    <Icon size={14}>
      <path d="m3 8.5 3.2 3.2L13 4.8" />
    </Icon>
  );
}

export function ChevronIcon() {
  return (
    <Icon size={12}>
      <path d="m6 3.5 4.5 4.5L6 12.5" />
    </Icon>
  );
}

export function BackIcon() {
  return (
    <Icon>
      <path d="M9.5 3.5 5 8l4.5 4.5" />
    </Icon>
  );
}

export function CloseIcon() {
  return (
    <Icon>
      <path d="m4 4 8 8M12 4l-8 8" />
    </Icon>
  );
}

export function SearchIcon() {
  return (
    <Icon>
      <circle cx="7" cy="7" r="4.2" />
      <path d="m10.2 10.2 3.3 3.3" />
    </Icon>
  );
}

export function ErrorIcon() {
  return (
    <Icon size={14}>
      <path d="M8 2 14.5 13.5h-13ZM8 6.5v3.2M8 11.6v.1" />
    </Icon>
  );
}
