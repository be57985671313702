/** What an agent did in the runs of one kind, all rounds together. */
export interface Work {
  requests: number;
  linked: number;
  mentioned: number;
  beacons: number;
  refused: Set<string>;
}

/** Reports whether the requests were linked, and told. */
export function didItsWork({ requests, linked, mentioned }: Work): boolean {
  return requests > 0 && linked === requests && mentioned >= 0.99 * requests;
}
