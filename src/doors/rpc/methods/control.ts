/** Methods about the program itself. */

import type { Json, JsonObject } from "#base/lib/json.ts";
import { LOG_CATEGORIES } from "#base/lib/logger.ts";
import type { RpcContext } from "../context.ts";
import { CATEGORIES, expectString, type Param, type RpcMethod } from "../method.ts";
import { argumentMap, helpText, usageLine } from "../method-help.ts";
import { RPC_CODE, RpcError } from "../rpc-error.ts";

type Method = RpcMethod<RpcContext>;

const help: Method = {
  name: "help",
  category: "Control",
  help: "List all commands, or get help for a specified command.",
  params: [{ name: "command", type: "string", default: "all commands", help: "The command to get help on" }],
  result: '"str"    (string) The help text',
  run(context, args) {
    const methods = context.methods();
    if (args.has("command")) {
      const name = args.string("command");
      if (name === "dump_all_command_conversions") return argumentMap(methods.values());
      const method = methods.get(name);
      return method === undefined ? `help: unknown command: ${name}` : helpText(method);
    }
    const lines: string[] = [];
    for (const category of CATEGORIES) {
      if (category === "hidden") continue;
      const members = [...methods.values()].filter((method) => method.category === category);
      if (members.length === 0) continue;
      if (lines.length > 0) lines.push("");
      lines.push(`== ${category} ==`);
      for (const method of members.sort((a, b) => (a.name < b.name ? -1 : 1))) lines.push(usageLine(method));
    }
    return lines.join("\n");
  },
};

const stop: Method = {
  name: "stop",
  category: "Control",
  help: "Request a graceful shutdown of the node.",
  // Tests of Core give a pause in ms that its own bitcoind takes silently.
  params: [{ name: "wait", type: "number", hidden: true, help: "Milliseconds to wait before the shutdown" }],
  result: '"str"    (string) A string with the content "Freehold stopping"',
  async run(context, args) {
    const wait = args.int("wait", 0);
    if (wait > 0) await new Promise<void>((resolve) => context.clock.after(wait, resolve));
    context.node.shutdown();
    return "Freehold stopping";
  },
};

const uptime: Method = {
  name: "uptime",
  category: "Control",
  help: "Returns the total uptime of the server.",
  params: [],
  result: "n    (numeric) Seconds that the server has been running",
  run: (context) => context.node.uptime(),
};

const getrpcinfo: Method = {
  name: "getrpcinfo",
  category: "Control",
  help: "Returns details of the RPC server.",
  params: [],
  result: '{ "active_commands": [ { "method": "str", "duration": n } ], "logpath": "str" }',
  run: (context) => ({
    active_commands: context.activeCalls().map(({ method, since }) => ({
      method,
      duration: Math.round((performance.now() - since) * 1000),
    })),
    logpath: context.log.path ?? "",
  }),
};

const logging: Method = {
  name: "logging",
  category: "Control",
  help: `Gets and sets the logging configuration. Categories: ${LOG_CATEGORIES.join(", ")}; also all and 1.`,
  params: [
    { name: "include", type: "array", content: '"include_category",...', help: "Categories to switch on" },
    { name: "exclude", type: "array", content: '"exclude_category",...', help: "Categories to switch off" },
  ],
  result: '{ "category": true|false, ... }',
  run(context, args) {
    const change = (name: "include" | "exclude", on: boolean) => {
      if (!args.has(name)) return;
      for (const item of args.array(name)) {
        const category = expectString(item);
        if (!context.log.switch(category, on)) {
          throw new RpcError(RPC_CODE.invalidParameter, `unknown logging category ${category}`);
        }
      }
    };
    change("include", true);
    change("exclude", false);
    const state: JsonObject = {};
    for (const category of [...LOG_CATEGORIES].sort()) state[category] = context.log.isOn(category);
    return state;
  },
};

const setmocktime: Method = {
  name: "setmocktime",
  category: "hidden",
  help: "Set the local time to given timestamp (-regtest only).",
  params: [
    {
      name: "timestamp",
      type: "number",
      required: true,
      help: "Seconds since 1970; 0 to use the machine's time",
    },
  ],
  result: "null",
  run(context, args) {
    requireRegtest(context, "setmocktime");
    const time = args.number("timestamp");
    if (!Number.isInteger(time) || time < 0 || time > 9_223_372_036) {
      throw new RpcError(
        RPC_CODE.invalidParameter,
        `Mocktime must be in the range [0, 9223372036], not ${Math.trunc(time)}.`,
      );
    }
    context.clock.setMockTime(time);
    return null;
  },
};

const mockscheduler: Method = {
  name: "mockscheduler",
  category: "hidden",
  help: "Bump the scheduler into the future (-regtest only).",
  params: [{ name: "delta_time", type: "number", required: true, help: "Seconds to forward the scheduler" }],
  result: "null",
  run(context, args) {
    requireRegtest(context, "mockscheduler");
    const delta = args.int("delta_time");
    if (delta <= 0 || delta > 3600) {
      throw new RpcError(RPC_CODE.misc, "delta_time must be between 1 and 3600 seconds (1 hr)");
    }
    context.clock.advanceScheduler(delta);
    return null;
  },
};

function requireRegtest(context: RpcContext, method: string): void {
  if (!context.network.mineBlocksOnDemand) {
    throw new RpcError(RPC_CODE.misc, `${method} is for regression testing (-regtest mode) only`);
  }
}

const syncwithvalidationinterfacequeue: Method = {
  name: "syncwithvalidationinterfacequeue",
  category: "hidden",
  help: "Waits for everything that followed from blocks and transactions taken so far.",
  params: [],
  result: "null",
  // What follows from a change is done under the chain-state lock, so whoever gets it has waited for all of it.
  run: (context) => context.chain.lock.run(() => null),
};

const ECHO_PARAMS: readonly Param[] = Array.from({ length: 10 }, (_, i) => ({
  name: `arg${i}`,
  type: "string" as const,
  unchecked: true,
  help: "",
}));

function echoMethod(name: "echo" | "echojson"): Method {
  return {
    name,
    category: "hidden",
    help: "Simply echo back the input arguments. This command is for testing.",
    params: ECHO_PARAMS,
    result: "The arguments as an array",
    run(_context, args) {
      const values: Json[] = ECHO_PARAMS.map((param) => args.value(param.name));
      while (values.length > args.count) values.pop();
      if (values[9] === "trigger_internal_bug") {
        throw new RpcError(
          RPC_CODE.misc,
          'Internal bug detected: request.params[9].get_str() != "trigger_internal_bug"',
        );
      }
      return values;
    },
  };
}

export const controlMethods: readonly Method[] = [
  help,
  stop,
  uptime,
  getrpcinfo,
  logging,
  setmocktime,
  mockscheduler,
  syncwithvalidationinterfacequeue,
  echoMethod("echo"),
  echoMethod("echojson"),
];
