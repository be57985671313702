// The list as it was last seen, so that the way back leads to the same view and row.

let location = '/';
let opened = '';

/** listLocation returns the address of the list with the filters last used. */
export function listLocation(): string {
  return location;
}

export function rememberList(search: string): void {
  location = `/${search}`;
}

let moved = false;

/** rememberMove notes that a page of ours was left for another. */
export function rememberMove(): void {
  moved = true;
}

/** cameFromWithin reports whether the browser's way back leads to a page of ours. */
export function cameFromWithin(): boolean {
  return moved;
}

/** rememberOpened keeps the id of the request that was opened from the list. */
export function rememberOpened(id: string): void {
  opened = id;
}

/** takeOpened returns the id kept last, once. */
export function takeOpened(): string {
  const id = opened;
  opened = '';
  return id;
}
