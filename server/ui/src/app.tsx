import { useIsFetching } from '@tanstack/preact-query';
import type { ComponentChildren } from 'preact';
import { useEffect, useErrorBoundary, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { Link, Route, Switch, useLocation } from 'wouter-preact';
import { HelpDialog } from './components/help.tsx';
import { Logo } from './components/icons.tsx';
import { Notice } from './components/notice.tsx';
import { OpenById } from './components/openbyid.tsx';
import { useShortcuts } from './components/shortcuts.ts';
import { ThemeToggle } from './components/theme.tsx';
import { listLocation, rememberMove } from './listlocation.ts';
import { RequestPage } from './request/page.tsx';
import { RequestsPage } from './requests/page.tsx';
import { TracePage } from './trace/page.tsx';

export function App() {
  const [help, setHelp] = useState(false);
  const [location] = useLocation();
  useShortcuts({ '?': () => setHelp(true) });
  const main = useArrival(location);
  return (
    <>
      <a class="skip" href="#main">
        Skip to content
      </a>
      <header class="topbar">
        <Link href={listLocation()} class="brand" aria-label="Throughline: requests">
          <Logo />
          <span>Throughline</span>
        </Link>
        <nav aria-label="Pages">
          <Link href={listLocation()} class="navlink" aria-current={location === '/' ? 'page' : undefined}>
            Requests
          </Link>
        </nav>
        <OpenById />
        <ThemeToggle />
        <button
          type="button"
          class="button quiet square"
          onClick={() => setHelp(true)}
          aria-label="Help and keys"
        >
          ?
        </button>
      </header>
      <Progress />
      <main id="main" tabIndex={-1} ref={main}>
        <Guard key={location}>
          <Switch>
            <Route path="/" component={RequestsPage} />
            <Route path="/requests/:id">{({ id }) => <RequestPage id={id} key={id} />}</Route>
            <Route path="/traces/:id">{({ id }) => <TracePage id={id} key={id} />}</Route>
            <Route>
              <NotFound />
            </Route>
          </Switch>
        </Guard>
      </main>
      <HelpDialog open={help} onClose={() => setHelp(false)} />
    </>
  );
}

/** useArrival starts each page at its top, with the focus on its content where the page took it nowhere else. */
function useArrival(location: string) {
  const main = useRef<HTMLElement>(null);
  const seen = useRef(location);
  useLayoutEffect(() => {
    if (seen.current === location) return;
    seen.current = location;
    rememberMove();
    window.scrollTo(0, 0);
    if (document.activeElement === document.body) main.current?.focus({ preventScroll: true });
  }, [location]);
  return main;
}

function Progress() {
  const busy = useIsFetching() > 0;
  return <div class="progress" data-busy={busy ? '' : undefined} aria-hidden="true" />;
}

function Guard({ children }: { children: ComponentChildren }) {
  const [error, reset] = useErrorBoundary();
  if (!error) return children;
  return (
    <Notice title="This page could not be drawn" role="alert" tone="error" page>
      <p>{error instanceof Error ? error.message : 'The data is not of the form that was expected.'}</p>
      <p>The server and this page may be of different versions. Reload the page.</p>
      <button type="button" class="button" onClick={reset}>
        Try again
      </button>
    </Notice>
  );
}

function NotFound() {
  useEffect(() => {
    document.title = 'Not found · Throughline';
  }, []);
  return (
    <Notice title="There is no page at this address" page>
      <Link class="button" href="/">
        Show the requests
      </Link>
    </Notice>
  );
}
