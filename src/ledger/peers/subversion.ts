/** What old clients take us for: the release of Bitcoin Core whose network behaviour they may expect. */
const SATOSHI_VERSION = "29.0.0";

/** Our name on the network, with the user's comments inside the last component (BIP14). */
export function formatSubversion(version: string, comments: readonly string[]): string {
  const suffix = comments.length === 0 ? "" : `(${comments.join("; ")})`;
  return `/Satoshi:${SATOSHI_VERSION}/Freehold:${version}${suffix}/`;
}
