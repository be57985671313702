import { apiToken } from './token.ts';

/** ApiError is a call that brought no data: what happened, and what to do about it. */
export class ApiError extends Error {
  /** HTTP status; 0 where there was no answer. */
  readonly status: number;
  readonly hint: string;

  constructor(status: number, message: string, hint: string) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
    this.hint = hint;
  }
}

/** getJSON fetches one resource of the API; it throws an ApiError for everything but an answer with data. */
export async function getJSON<T>(path: string, signal?: AbortSignal): Promise<T> {
  let response: Response;
  const token = apiToken();
  try {
    response = await fetch(`/api/v1/${path}`, {
      headers: { accept: 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
      signal: signal ?? null,
    });
  } catch (cause) {
    if (signal?.aborted) throw cause;
    throw new ApiError(
      0,
      'The server cannot be reached.',
      'Check that “throughline serve” is running and that this page was opened from its address.',
    );
  }
  let body: unknown;
  try {
    body = await response.json();
  } catch (cause) {
    if (signal?.aborted) throw cause;
    throw new ApiError(
      response.status,
      `The server answered ${response.status} without readable JSON.`,
      'A proxy in between may have answered instead of the server.',
    );
  }
  if (!response.ok) {
    const { error, hint } = (body ?? {}) as { error?: unknown; hint?: unknown };
    throw new ApiError(
      response.status,
      typeof error === 'string' ? error : `The server answered ${response.status}.`,
      typeof hint === 'string' ? hint : '',
    );
  }
  return body as T;
}
