import { useCallback } from 'preact/hooks';
import { useLocation, useSearch } from 'wouter-preact';

/** useRowParam keeps the row whose details are shown in the address, so that a link shows the same. */
export function useRowParam(): [string, (key: string) => void] {
  const search = useSearch();
  const [path, navigate] = useLocation();
  const selected = new URLSearchParams(search).get('row') ?? '';
  const select = useCallback(
    (key: string) => {
      const query = new URLSearchParams(search);
      if (key) query.set('row', key);
      else query.delete('row');
      const text = query.toString();
      navigate(text ? `${path}?${text}` : path, { replace: true });
    },
    [search, path, navigate],
  );
  return [selected, select];
}
