/**
 * What Core v31 says of its methods (../shared/compat/rpc-shapes.json): arguments, and the fields of results with
 * their types. Holds a result to it: no field may be missing, none unknown, each of its type.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

const PATH = join(import.meta.dirname, "../../../shared/compat/rpc-shapes.json");

/** Why the shapes cannot be checked here, false when they can. */
export const noShapes: string | false = existsSync(PATH) ? false : `${PATH} is not there`;

export interface ShapeArgument {
  readonly name: string;
  readonly type: string;
  readonly required: boolean;
  readonly default?: string;
}

export interface MethodShape {
  readonly category: string;
  readonly usage: string;
  readonly args?: readonly ShapeArgument[];
  readonly results?: readonly { readonly when?: string; readonly fields: Readonly<Record<string, string>> }[];
}

export const SHAPES: Readonly<Record<string, MethodShape>> =
  noShapes === false ? (JSON.parse(readFileSync(PATH, "utf8")) as Record<string, MethodShape>) : {};

/** Objects whose keys are free: the shapes name one key as a sample. */
const FREE_KEYS: readonly [method: string, sample: string][] = [
  ["getdeploymentinfo", "deployments.xxxx"],
  ["getblocktemplate", "vbavailable.rulename"],
  ["getblocktemplate", "coinbaseaux.key"],
  ["getaddrmaninfo", "network"],
  ["getpeerinfo", "[].bytessent_per_msg.msg"],
  ["getpeerinfo", "[].bytesrecv_per_msg.msg"],
  ["getrawmempool", "transactionid"],
  ["logging", "category"],
];

/** Fields that may hold a boolean instead: the shapes name the one type that has members. */
const OR_BOOLEAN: readonly [method: string, path: string][] = [["getwalletinfo", "scanning"]];

/** Objects of which the shapes say no more than that they are like another one, in the order in which they build up. */
const LIKE: readonly [method: string, place: string, model: string][] = [
  ["estimaterawfee", "short.fail", "short.pass"],
  ["estimaterawfee", "medium", "short"],
  ["estimaterawfee", "long", "short"],
];

/** Where a field list says "the same as" another method, in the place of these fields. */
const TRANSACTIONS = { method: "getrawtransaction", alternative: 1 };

/** The form of one value. */
interface Form {
  types: Set<string>;
  optional: boolean;
  readonly members: Map<string, Form>;
  items: Form | undefined;
  /** Form of every member, where the keys are free. */
  free: Form | undefined;
}

const emptyForm = (): Form => ({
  types: new Set(),
  optional: false,
  members: new Map(),
  items: undefined,
  free: undefined,
});

/** Steps of a path such as `tx[].vin[].prevout`, where `[]` is an element. */
function stepsOf(path: string): string[] {
  if (path === ".") return [];
  return path.split(".").flatMap((part) => {
    const elements = part.match(/\[\]/g) ?? [];
    const name = part.replace(/(\[\])+$/, "");
    return [...(name === "" ? [] : [name]), ...elements];
  });
}

/** The fields of a method's alternative, with all "same as" put in. */
function fieldsOf(method: string, alternative: number): Record<string, string> {
  const { fields } = SHAPES[method]!.results![alternative]!;
  const all: Record<string, string> = {};
  for (const [path, type] of Object.entries(fields)) {
    if (!path.endsWith("...")) continue;
    const place = path.slice(0, -3);
    const isTransaction = type.includes("getrawtransaction");
    const source = isTransaction
      ? fieldsOf(TRANSACTIONS.method, TRANSACTIONS.alternative)
      : fieldsOf(method, alternative - 1);
    for (const [inner, innerType] of Object.entries(source)) {
      // "Same" is said of the object that holds the dots: its fields are those at the same place over there.
      if (isTransaction) all[inner === "." ? place : `${place}.${inner}`] = innerType;
      else if (inner === place || inner.startsWith(place)) all[inner] = innerType;
    }
  }
  for (const [path, type] of Object.entries(fields)) {
    // One entry is a remark that slipped into the list.
    if (!path.endsWith("...") && /^[a-z]+\??$/.test(type)) all[path] = type;
  }
  for (const [, place, model] of LIKE.filter(([name]) => name === method)) {
    for (const [path, type] of Object.entries(all)) {
      if (path.startsWith(`${model}.`)) all[`${place}${path.slice(model.length)}`] = type;
    }
  }
  return all;
}

function formOf(method: string, alternative: number): Form {
  const root = emptyForm();
  for (const [path, type] of Object.entries(fieldsOf(method, alternative))) {
    const isFree = FREE_KEYS.some(
      ([name, sample]) => name === method && (path === sample || path.startsWith(`${sample}.`)),
    );
    const sampleSteps = stepsOf(
      FREE_KEYS.find(([name, sample]) => name === method && path.startsWith(sample))?.[1] ?? ".",
    );
    let at = root;
    for (const [i, step] of stepsOf(path).entries()) {
      if (step === "[]") {
        at.items ??= emptyForm();
        at = at.items;
      } else if (isFree && i === sampleSteps.length - 1) {
        at.free ??= emptyForm();
        at = at.free;
      } else {
        let member = at.members.get(step);
        if (member === undefined) {
          member = emptyForm();
          at.members.set(step, member);
        }
        at = member;
      }
    }
    at.types = new Set([type.replace("?", "")]);
    if (OR_BOOLEAN.some(([name, place]) => name === method && place === path)) at.types.add("boolean");
    at.optional = type.endsWith("?");
  }
  return root;
}

function typeOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return "numeric";
  return typeof value;
}

function differences(value: unknown, form: Form, path: string): string[] {
  const type = typeOf(value);
  if (!form.types.has(type)) return [`${path || "result"} is ${type}, not ${[...form.types].join(" or ")}`];
  if (Array.isArray(value)) {
    const { items } = form;
    if (items === undefined) return value.length === 0 ? [] : [`${path} has elements that no shape names`];
    return value.flatMap((item) => differences(item, items, `${path}[]`));
  }
  if (typeof value !== "object" || value === null) return [];
  const found: string[] = [];
  for (const [name, member] of Object.entries(value)) {
    const inner = form.members.get(name) ?? form.free;
    if (inner === undefined) found.push(`${path}.${name} is not in Core's result`);
    else found.push(...differences(member, inner, `${path}.${name}`));
  }
  for (const [name, member] of form.members) {
    if (!member.optional && !Object.hasOwn(value, name)) found.push(`${path}.${name} is missing`);
  }
  return found;
}

const cache = new Map<string, Form[]>();

/**
 * How a result differs from what Core may answer; empty when it does not. Where a method has several results the
 * nearest counts, unless `alternative` names one.
 */
export function shapeDifferences(method: string, result: unknown, alternative?: number): string[] {
  const shape = SHAPES[method];
  if (shape === undefined) return [`${method} is no method of Core's`];
  if (shape.results === undefined) return [];
  let forms = cache.get(method);
  if (forms === undefined) {
    forms = shape.results.map((_, i) => formOf(method, i));
    cache.set(method, forms);
  }
  const candidates = alternative === undefined ? forms : [forms[alternative]!];
  const all = candidates.map((form) => differences(result, form, ""));
  return all.reduce((least, found) => (found.length < least.length ? found : least));
}
