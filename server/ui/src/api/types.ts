// Short names for the schemas of the API, which its OpenAPI document defines. Names
// with a dot are those of the stored events.
import type { components } from './schema.ts';

type Schemas = components['schemas'];

/** Request is a request event with its verdict. */
export type Request = Schemas['Request'];
export type RequestPage = Schemas['RequestPage'];
export type RequestDetail = Schemas['RequestDetail'];
export type LinkStatus = Request['link.status'];
export type RequestKind = Request['request.kind'];
export type Explanation = Schemas['Explanation'];

/** Evidence is what a verdict rests on, from both sides. */
export type Evidence = Schemas['Evidence'];
export type EvidenceSpan = Schemas['EvidenceSpan'];

/** Clock is the correction that was applied to the frontend's times. */
export type Clock = Schemas['Clock'];
export type Trace = Schemas['Trace'];
export type TraceRow = Schemas['Row'];
export type Phase = Schemas['Phase'];
export type RowEvent = Schemas['RowEvent'];
export type Attributes = Record<string, unknown>;

/** Frontend is the way back from a span to the user. */
export type Frontend = Schemas['Frontend'];
