import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { LinkStatus } from '../api/types.ts';
import { CloseIcon, SearchIcon } from '../components/icons.tsx';
import { useShortcuts } from '../components/shortcuts.ts';
import {
  conditionCount,
  defaultFilters,
  type Filters,
  type Range,
  rangeLabels,
  ranges,
  timeSpan,
  valid,
} from '../model/filters.ts';
import { toLocalInput } from '../model/format.ts';
import { kinds, type Reason, reasonLabel, reasonsOf, statuses, statusLabels } from '../model/verdict.ts';

export type Change = (patch: Partial<Filters>, options?: { replace?: boolean }) => void;

const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'];

export function FilterBar(props: { filters: Filters; change: Change; refresh: () => void; busy: boolean }) {
  const { filters, change } = props;
  const urlInput = useRef<HTMLInputElement>(null);
  useShortcuts({
    '/': () => {
      urlInput.current?.focus();
      urlInput.current?.select();
    },
  });
  const count = conditionCount(filters);
  const { range, from, to, live } = filters;
  return (
    <search class="filterbar">
      <div class="filter-row">
        <h1>Requests</h1>
        <RangePicker filters={filters} change={change} />
        <span class="spacer" />
        <label class="switch">
          <input
            type="checkbox"
            role="switch"
            aria-checked={live}
            checked={live}
            onChange={(event) => change({ live: event.currentTarget.checked }, { replace: true })}
          />
          Auto refresh
        </label>
        <button
          type="button"
          class="button"
          onClick={props.refresh}
          aria-busy={props.busy}
          title="Refresh (r)"
        >
          Refresh
        </button>
      </div>
      <div class="filter-row">
        <div class="search">
          <SearchIcon />
          <TextFilter
            inputRef={urlInput}
            label="URL contains"
            placeholder="Filter by URL"
            value={filters.url}
            accepts={valid.url}
            onValue={(url) => change({ url }, { replace: true })}
          />
          <kbd title="The key / leads here">/</kbd>
        </div>
        <Select
          label="Verdict"
          value={filters.status}
          onValue={(status) => {
            const fits =
              status === '' || (reasonsOf(status as LinkStatus) as string[]).includes(filters.reason);
            change({ status: status as LinkStatus | '', reason: fits ? filters.reason : '' });
          }}
        >
          <option value="">Any verdict</option>
          {statuses.map((status) => (
            <option key={status} value={status}>
              {statusLabels[status]}
            </option>
          ))}
        </Select>
        <Select
          label="Reason"
          value={filters.reason}
          onValue={(reason) => change({ reason: reason as Reason | '' })}
        >
          <option value="">Any reason</option>
          {statuses
            .filter(
              (status) => reasonsOf(status).length > 0 && (!filters.status || filters.status === status),
            )
            .map((status) => (
              <optgroup key={status} label={statusLabels[status]}>
                {reasonsOf(status).map((reason) => (
                  <option key={reason} value={reason}>
                    {reasonLabel(reason)}
                  </option>
                ))}
              </optgroup>
            ))}
        </Select>
        <Select label="Kind" value={filters.kind} onValue={(kind) => change({ kind })}>
          <option value="">Any kind</option>
          {kinds.map((kind) => (
            <option key={kind}>{kind}</option>
          ))}
        </Select>
        <Select label="Method" value={filters.method} onValue={(method) => change({ method })}>
          <option value="">Any method</option>
          {[...new Set([...methods, filters.method].filter(Boolean))].map((method) => (
            <option key={method}>{method}</option>
          ))}
        </Select>
        <div class="narrow">
          <TextFilter
            label="Application id"
            placeholder="Application"
            value={filters.application}
            accepts={valid.application}
            onValue={(application) => change({ application }, { replace: true })}
          />
        </div>
        <div class="narrow">
          <TextFilter
            label="Session id"
            placeholder="Session"
            value={filters.session}
            accepts={valid.session}
            onValue={(session) => change({ session }, { replace: true })}
          />
        </div>
        {filters.trace && (
          <button type="button" class="chip" onClick={() => change({ trace: '' })} title={filters.trace}>
            Trace <code>{filters.trace.slice(0, 8)}…</code>
            <CloseIcon />
            <span class="visually-hidden">Remove this filter</span>
          </button>
        )}
        {count > 0 && (
          <button
            type="button"
            class="button quiet"
            onClick={() => change({ ...defaultFilters, range, from, to, live })}
          >
            Clear {count === 1 ? 'filter' : `${count} filters`}
          </button>
        )}
      </div>
    </search>
  );
}

function RangePicker({ filters, change }: { filters: Filters; change: Change }) {
  const choose = (range: Range | 'custom') => {
    if (range !== 'custom') {
      change({ range, from: '', to: '' });
      return;
    }
    // The relative range becomes a fixed one, so that the view stays as it is.
    const now = Date.now();
    const span = timeSpan(filters, now);
    const from = new Date(span.from ?? now - 86_400_000).toISOString();
    change({ range, from, to: new Date(span.to ?? now).toISOString() });
  };
  const edge = (name: 'from' | 'to', label: string) => (
    <input
      type="datetime-local"
      class="input"
      aria-label={label}
      value={toLocalInput(filters[name] ? Date.parse(filters[name]) : null)}
      onChange={(event) => {
        const time = new Date(event.currentTarget.value).getTime();
        const value = Number.isNaN(time) ? '' : new Date(time).toISOString();
        const other = name === 'from' ? filters.to : filters.from;
        change({ [name]: value, range: value || other ? 'custom' : 'all' });
      }}
    />
  );
  return (
    <>
      <fieldset class="segmented">
        <legend class="visually-hidden">Time range</legend>
        {[...ranges, 'custom' as const].map((range) => (
          <label key={range} title={range === 'custom' ? 'From and to' : rangeLabels[range]}>
            <input
              type="radio"
              name="range"
              checked={filters.range === range}
              onChange={() => choose(range)}
            />
            <span>{range === 'all' ? 'All' : range === 'custom' ? 'Custom' : range}</span>
          </label>
        ))}
      </fieldset>
      {filters.range === 'custom' && (
        <span class="customrange">
          {edge('from', 'From')}
          <span aria-hidden="true">–</span>
          {edge('to', 'To')}
        </span>
      )}
    </>
  );
}

function Select(props: {
  label: string;
  value: string;
  onValue: (value: string) => void;
  children: ComponentChildren;
}) {
  return (
    <select
      class="input"
      aria-label={props.label}
      data-set={props.value ? '' : undefined}
      value={props.value}
      onChange={(event) => props.onValue(event.currentTarget.value)}
    >
      {props.children}
    </select>
  );
}

const typingMs = 300;

/** TextFilter reports its text once typing pauses, or at once on Enter; not before it is whole. */
function TextFilter(props: {
  label: string;
  placeholder: string;
  value: string;
  accepts: (value: string) => boolean;
  onValue: (value: string) => void;
  inputRef?: { current: HTMLInputElement | null };
}) {
  const [text, setText] = useState(props.value);
  const wanted = text.trim();
  const usable = wanted === '' || props.accepts(wanted);
  const report = () => {
    if (usable && wanted !== props.value) props.onValue(wanted);
  };
  const latest = useRef(report);
  latest.current = report;
  useLayoutEffect(() => setText((old) => (old.trim() === props.value ? old : props.value)), [props.value]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: each change of the text starts the wait anew
  useLayoutEffect(() => {
    const timer = setTimeout(() => latest.current(), typingMs);
    return () => clearTimeout(timer);
  }, [text]);
  return (
    <input
      ref={props.inputRef ?? null}
      type="search"
      class="input"
      aria-label={props.label}
      placeholder={props.placeholder}
      data-set={props.value ? '' : undefined}
      aria-invalid={usable ? undefined : 'true'}
      autocomplete="off"
      spellcheck={false}
      value={text}
      onInput={(event) => setText(event.currentTarget.value)}
      onKeyDown={(event) => {
        if (event.key === 'Enter') report();
        if (event.key === 'Escape') event.currentTarget.blur();
      }}
    />
  );
}
