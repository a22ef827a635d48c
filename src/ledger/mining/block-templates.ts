import { equalBytes, fromHexReversed } from "#base/lib/bytes.ts";
import type { Clock } from "#base/lib/clock.ts";
import { decodedOrUndefined } from "#base/lib/decode-error.ts";
import type { JsonObject } from "#base/lib/json.ts";
import { parseBlock } from "#protocol/bitcoin/block-table.ts";
import { OP_1 } from "#protocol/bitcoin/opcodes.ts";
import { blockHash } from "#protocol/bitcoin/txid.ts";
import { describeTemplate } from "./describe-template.ts";
import { type MiningRefusal, refuse } from "./mining-refusal.ts";
import { type BlockTemplate, createTemplate, type TemplateDependencies } from "./template.ts";
import type { TemplateOptions } from "./template-options.ts";

/** Seconds for which a template serves though the mempool has changed. */
const TEMPLATE_AGE = 5;
/** Milliseconds until a waiting client may hear of new transactions: at first, and between looks after that. */
const FIRST_LOOK = 60_000;
const NEXT_LOOK = 10_000;
/** Miners put their own script in its place. */
const ANYONE = Uint8Array.of(OP_1);

export interface BlockTemplatesDependencies extends TemplateDependencies {
  readonly clock: Clock;
  /** Every move of the tip. */
  readonly tipMoved: { on(listener: () => void): () => void };
}

/** What a miner asks of getblocktemplate. */
export interface TemplateQuery {
  /** Rules that it knows. */
  readonly rules: readonly string[];
  /** An id it was given before: waits until that is no longer true. `null` is one that is not a text. */
  readonly longPollId?: string | null;
}

/** Answers getblocktemplate, and keeps the last template while it serves. */
export class BlockTemplates {
  readonly #options: TemplateOptions;
  readonly #dependencies: BlockTemplatesDependencies;
  #last: { template: BlockTemplate; transactionsUpdated: number; madeAt: number } | undefined;

  constructor(options: TemplateOptions, dependencies: BlockTemplatesDependencies) {
    this.#options = options;
    this.#dependencies = dependencies;
  }

  /** A template, after the wait that is asked for. Peers and initial download are looked at by the caller. */
  async answer(query: TemplateQuery, stopped: () => boolean): Promise<JsonObject | MiningRefusal> {
    if (query.longPollId !== undefined) {
      const refused = await this.#waitForChange(query.longPollId, stopped);
      if (refused !== undefined) return refused;
    }
    const { chain, versionbits } = this.#dependencies;
    const refused = checkRules(query.rules, chain.network.consensus.signetChallenge !== undefined);
    if (refused !== undefined) return refused;
    const { template, transactionsUpdated } = await chain.lock.run(() => this.#current());
    const context = { network: chain.network, versionbits, now: chain.now(), transactionsUpdated };
    return describeTemplate(template, context);
  }

  /**
   * Whether a block without proof of work would be taken (BIP23's proposal).
   * @returns `null` when it would, else BIP22's word why not.
   */
  async judgeProposal(raw: Uint8Array): Promise<string | null | MiningRefusal> {
    const block = decodedOrUndefined(() => parseBlock(raw));
    if (block === undefined) return refuse("deserialization", "Block decode failed");
    const { chain } = this.#dependencies;
    const known = chain.knowledgeOf(blockHash(raw));
    if (known === "valid") return "duplicate";
    if (known === "invalid") return "duplicate-invalid";
    if (known === "inconclusive") return "duplicate-inconclusive";
    return chain.lock.run(async () => {
      if (!equalBytes(block.header.prevHash, chain.tip.hash)) return "inconclusive-not-best-prevblk";
      const rejection = await chain.testBlock(raw, { pow: false, merkle: true });
      return rejection === undefined ? null : rejection.reason;
    });
  }

  async #current(): Promise<{ template: BlockTemplate; transactionsUpdated: number }> {
    const { chain, mempool } = this.#dependencies;
    const now = chain.now();
    const last = this.#last;
    const serves =
      last !== undefined &&
      equalBytes(last.template.prevHash, chain.tip.hash) &&
      (last.transactionsUpdated === mempool.transactionsUpdated || now - last.madeAt <= TEMPLATE_AGE);
    if (serves) return last;
    this.#last = undefined;
    const { transactionsUpdated } = mempool;
    const template = await createTemplate({ coinbaseScript: ANYONE }, this.#options, this.#dependencies);
    this.#last = { template, transactionsUpdated, madeAt: now };
    return this.#last;
  }

  /** Waits for another tip, or after a minute for other transactions than the client knows of. */
  async #waitForChange(id: string | null, stopped: () => boolean): Promise<MiningRefusal | undefined> {
    const { chain, mempool } = this.#dependencies;
    let watched: Uint8Array = chain.tip.hash;
    let seen = this.#last?.transactionsUpdated ?? 0;
    if (id !== null) {
      const text = id.slice(0, 64);
      const hash = fromHexReversed(text);
      if (text.length !== 64) {
        return refuse(
          "invalid-parameter",
          `longpollid must be of length 64 (not ${text.length}, for '${text}')`,
        );
      }
      if (hash === undefined) {
        return refuse("invalid-parameter", `longpollid must be hexadecimal string (not '${text}')`);
      }
      watched = hash;
      seen = Number.parseInt(id.slice(64), 10) || 0;
    }
    for (let wait = FIRST_LOOK; equalBytes(chain.tip.hash, watched) && !stopped(); wait = NEXT_LOOK) {
      const moved = await this.#tipMovedWithin(wait);
      if (!moved && mempool.transactionsUpdated !== seen) break;
    }
    return undefined;
  }

  /** Whether the tip moves within some milliseconds. */
  #tipMovedWithin(delay: number): Promise<boolean> {
    const { clock, tipMoved } = this.#dependencies;
    return new Promise((resolve) => {
      const cancel = clock.after(delay, () => {
        off();
        resolve(false);
      });
      const off = tipMoved.on(() => {
        off();
        cancel();
        resolve(true);
      });
    });
  }
}

function checkRules(rules: readonly string[], signet: boolean): MiningRefusal | undefined {
  if (signet && !rules.includes("signet")) {
    const call = 'call with {"rules": ["segwit", "signet"]}';
    return refuse("invalid-parameter", `getblocktemplate must be called with the signet rule set (${call})`);
  }
  if (rules.includes("segwit")) return undefined;
  const call = 'call with {"rules": ["segwit"]}';
  return refuse("invalid-parameter", `getblocktemplate must be called with the segwit rule set (${call})`);
}
