import { ApiError } from '../api/client.ts';
import { Notice } from './notice.tsx';
import { SignIn } from './signin.tsx';

/** ErrorNotice says what went wrong, what to do, and offers to try again; where a token is wanted, it asks for one. */
export function ErrorNotice(props: { error: unknown; retry: () => void; what: string; page?: boolean }) {
  const { error, retry, what, page = false } = props;
  const api = error instanceof ApiError ? error : null;
  if (api?.status === 401) return <SignIn page={page} />;
  const text = error instanceof Error ? error.message : String(error);
  return (
    <Notice
      title={api?.status === 404 ? `${what} was not found` : `${what} could not be loaded`}
      tone="error"
      role="alert"
      page={page}
    >
      <p class="untrusted">{text}</p>
      {api?.hint && <p class="untrusted">{api.hint}</p>}
      <p>
        <button type="button" class="button" onClick={retry}>
          Try again
        </button>
        {api !== null && api.status > 0 && <span class="faint">HTTP {api.status}</span>}
      </p>
    </Notice>
  );
}
