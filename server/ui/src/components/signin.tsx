import { useQueryClient } from '@tanstack/preact-query';
import { useState } from 'preact/hooks';
import { apiToken, keepApiToken, tokenPattern } from '../api/token.ts';
import { Notice } from './notice.tsx';

/** SignIn asks for an API token where the server wants one, and then loads again what it refused. */
export function SignIn(props: { page?: boolean }) {
  const queries = useQueryClient();
  const [refused, setRefused] = useState(apiToken() !== null);
  const onSubmit = (event: SubmitEvent) => {
    event.preventDefault();
    const token = String(new FormData(event.currentTarget as HTMLFormElement).get('token') ?? '').trim();
    if (!token) return;
    keepApiToken(token);
    void queries.resetQueries();
  };
  return (
    <Notice title="This server asks for a token" page={props.page ?? false}>
      <p>
        Enter one of <code>tokens.api</code> in its settings. It is kept in this tab, until the tab is closed.
      </p>
      <form class="signin" onSubmit={onSubmit}>
        <input
          name="token"
          type="password"
          class="input mono"
          aria-label="API token"
          aria-invalid={refused}
          aria-describedby={refused ? 'signin-problem' : undefined}
          autocomplete="off"
          pattern={`\\s*${tokenPattern}\\s*`}
          title="Letters, digits and . _ ~ + / = -"
          required
          onInput={() => setRefused(false)}
        />
        <button type="submit" class="button">
          Sign in
        </button>
      </form>
      {refused && (
        <p id="signin-problem" role="alert">
          The server refused the last token.
        </p>
      )}
    </Notice>
  );
}
