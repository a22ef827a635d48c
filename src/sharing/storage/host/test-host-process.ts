/**
 * A process that hosts on the real disk and stores with itself until it is killed. It tells on its output what was
 * acknowledged, a line each: `stored <n>`, `dropping <n>`, `dropped <n>`, `head <sequence>`. For test-kill.ts.
 */
import { SeededRandom } from "#base/lib/random.ts";
import { nodeDisk } from "#base/store/node-disk.ts";
import { encodeHeadRecord } from "../head-record.ts";
import { storageProtocol } from "../messages.ts";
import { ACCOUNT, DEVICE, HEAD_KEY, numberedShard, openKilledHost } from "./test-kill.ts";

const [folder, firstText] = process.argv.slice(2);
if (folder === undefined || firstText === undefined) throw new Error("usage: <folder> <first number>");
const first = Number(firstText);
const { methods } = storageProtocol;
const random = new SeededRandom(first + 1);

const { renter: join } = await openKilledHost(nodeDisk, folder);
const renter = join({ accountSecret: ACCOUNT });
const stored: number[] = [];
let next = first;

function tell(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function store(): Promise<void> {
  const number = next++;
  const outcome = await renter.store(numberedShard(number));
  if (!outcome.ok) throw new Error(outcome.refusal.text);
  tell(`stored ${number}`);
  stored.push(number);
}

async function drop(): Promise<void> {
  const number = stored.shift();
  if (number === undefined) return;
  tell(`dropping ${number}`);
  const outcome = await renter.call(methods.drop, { roots: [numberedShard(number).root] });
  if (!outcome.ok) throw new Error(outcome.refusal.text);
  tell(`dropped ${number}`);
}

async function putHead(): Promise<void> {
  const sequence = next++;
  const record = encodeHeadRecord(
    { headKey: HEAD_KEY.publicKey, device: DEVICE, sequence, body: new Uint8Array(8) },
    HEAD_KEY,
  );
  const outcome = await renter.call(methods["put-head"], { record });
  if (outcome.ok) tell(`head ${sequence}`);
}

async function work(): Promise<never> {
  for (;;) {
    const choice = random.below(8);
    if (choice < 5) await store();
    else if (choice < 7) await drop();
    else await putHead();
  }
}

tell("ready");
await Promise.all([work(), work(), work()]);
