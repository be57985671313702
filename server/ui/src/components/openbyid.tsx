import { useState } from 'preact/hooks';
import { useLocation } from 'wouter-preact';

/** OpenById leads from a pasted id to its page: 32 digits name a trace, 16 a request; a traceparent holds both. */
export function OpenById() {
  const [, navigate] = useLocation();
  const [problem, setProblem] = useState(false);
  const onSubmit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = event.currentTarget as HTMLFormElement;
    const path = pathOfId(String(new FormData(form).get('id') ?? ''));
    setProblem(path === null);
    if (path === null) return;
    form.reset();
    navigate(path);
  };
  return (
    <search class="openbyid">
      <form onSubmit={onSubmit}>
        <input
          name="id"
          class="input mono"
          placeholder="Open trace or request id"
          aria-label="Open a trace or request by its id"
          aria-invalid={problem}
          aria-describedby={problem ? 'openbyid-problem' : undefined}
          autocomplete="off"
          spellcheck={false}
          onInput={() => setProblem(false)}
        />
        {problem && (
          <p id="openbyid-problem" role="alert">
            A trace id has 32 hexadecimal digits, a request id 16.
          </p>
        )}
      </form>
    </search>
  );
}

/** pathOfId returns the page of an id, null where the text holds none. */
export function pathOfId(text: string): string | null {
  const id = text.trim().toLowerCase();
  const trace = /^(?:[0-9a-f]{2}-)?([0-9a-f]{32})(?:-[0-9a-f]{16}-[0-9a-f]{2})?$/.exec(id);
  if (trace) return `/traces/${trace[1]}`;
  return /^[0-9a-f]{16}$/.test(id) ? `/requests/${id}` : null;
}
