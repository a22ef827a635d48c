import assert from "node:assert/strict";
import { test } from "node:test";
import { main, regtest } from "#protocol/bitcoin/networks.ts";
import { readArguments } from "./read-settings.ts";
import { ConfigError } from "./settings.ts";
import { apiPort, ledgerChoice, sharingBudget, sharingSettings, wantsSharing } from "./sharing-options.ts";

const read = (...args: string[]) => readArguments(args);

test("a plain node shares nothing and opens no API", () => {
  const settings = read();
  assert.equal(wantsSharing(settings), false);
  assert.equal(apiPort(settings), undefined);
  assert.equal(ledgerChoice(settings), "own");
  assert.deepEqual(sharingBudget(settings), { peerMsat: 0, dayMsat: 0 });
  assert.deepEqual(sharingSettings(settings, main), {
    meshBind: ["/ip4/127.0.0.1/tcp/8440", "/ip4/127.0.0.1/tcp/8441/ws"],
    meshOrAny: true,
    mdns: true,
    name: "",
    s3Port: 9000,
    s3OrNext: true,
    files: { diversity: "strict", auditEpoch: 3600, awayAfter: 3600, deadAfter: 86_400 },
  });
});

test("what is asked for is given, and nothing else is taken in its place", () => {
  const settings = read(
    "-sharing",
    "-api",
    "-apiport=0",
    "-s3port=9001",
    "-meshbind=/ip4/127.0.0.1/tcp/0",
    "-name=Bob",
    "-fileshards=4/12",
    "-sharingbudget=5",
    "-sharingpeerbudget=2",
  );
  assert.equal(wantsSharing(settings), true);
  assert.deepEqual(apiPort(settings), { port: 0, orNext: false });
  assert.deepEqual(sharingBudget(settings), { peerMsat: 2000, dayMsat: 5000 });
  const sharing = sharingSettings(settings, regtest());
  assert.deepEqual(
    [sharing.meshBind, sharing.meshOrAny, sharing.mdns, sharing.name, sharing.s3Port, sharing.s3OrNext],
    [["/ip4/127.0.0.1/tcp/0"], false, false, "Bob", 9001, false],
  );
  assert.deepEqual(sharing.files, {
    shards: { needed: 4, total: 12 },
    diversity: "relaxed",
    auditEpoch: 3600,
    awayAfter: 3600,
    deadAfter: 86_400,
  });
});

test("what makes no sense is refused with its name", () => {
  const cases: [string, RegExp][] = [
    ["-ledger=lightning", /-ledger value 'lightning'/],
    ["-apiport=70000", /-apiport: '70000'/],
    ["-s3port=x", /-s3port: 'x'/],
    ["-meshbind=127.0.0.1:8440", /-meshbind: '127\.0\.0\.1:8440'/],
    [`-name=${"x".repeat(33)}`, /-name: at most 32/],
    ["-name=a\u0007b", /-name/],
    ["-fileshards=13/12", /-fileshards '13\/12'/],
    ["-fileshards=0/0", /-fileshards/],
    ["-fileshards=10/256", /-fileshards/],
    ["-filediversity=some", /-filediversity value 'some'/],
    ["-auditepoch=0", /auditepoch must be a positive/],
    ["-sharingbudget=-1", /-sharingbudget: '-1'/],
    ["-sharingpeerbudget=9007199254741", /-sharingpeerbudget/],
  ];
  for (const [arg, text] of cases) {
    assert.throws(
      () => {
        const settings = read(arg, "-api");
        ledgerChoice(settings);
        apiPort(settings);
        sharingBudget(settings);
        sharingSettings(settings, main);
      },
      (error: Error) => error instanceof ConfigError && text.test(error.message),
      arg,
    );
  }
});
