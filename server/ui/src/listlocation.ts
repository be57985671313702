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
