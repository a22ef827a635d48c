/** Text of a peer with nothing in it that could harm a log or a terminal (Core's SanitizeString). */
export function printable(text: string): string {
  return text.replace(/[^a-zA-Z0-9 .,;\-_/:?@()]/g, "");
}
