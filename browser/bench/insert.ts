const BEGIN = "<!-- bench-agent: begin -->";
const END = "<!-- bench-agent: end -->";

/** Returns document with text between its markers; all else stays, as what the Go benchmarks write there. */
export function insert(document: string, text: string): string {
  const begin = document.indexOf(BEGIN);
  const end = document.indexOf(END, begin);
  if (begin < 0 || end < 0) throw new Error(`the markers ${BEGIN} and ${END} are not in it`);
  return `${document.slice(0, begin)}${BEGIN}\n\n${text.trim()}\n\n${document.slice(end)}`;
}
