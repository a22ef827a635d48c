/**
 * What the sharing process is given of the seed, once, at its start: keys derived for it alone. No coin key can be
 * computed from them (money/wallet/branches.ts), and nothing else of the seed crosses the link.
 */
export interface SharingKeys {
  /** Ed25519 secret of the account, 32 bytes: who we are. */
  readonly account: Uint8Array;
  /** Root of all file encryption and of the announcements of heads, 32 bytes. */
  readonly files: Uint8Array;
}
