/** XML out, a few elements deep, and XML in, small and untrusted. */
import { XMLParser } from "fast-xml-parser";
import { S3Error } from "./s3-error.ts";

export const XML_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n';
/** Namespace of every S3 document. */
const S3_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/";

/** Text that already is XML. */
export class Xml {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  toString(): string {
    return this.text;
  }
}

type Content = string | number | boolean | Xml | readonly Xml[];

/** `<name>…</name>`; text is escaped, `attributes` are taken as they are. */
export function element(name: string, content: Content, attributes = ""): Xml {
  const inner =
    content instanceof Xml
      ? content.text
      : typeof content === "object"
        ? content.map((one) => one.text).join("")
        : escapeText(String(content));
  return new Xml(`<${name}${attributes}>${inner}</${name}>`);
}

/** A whole document with S3's namespace on its root. */
export function s3Document(root: string, content: readonly Xml[]): string {
  return XML_HEAD + element(root, content, ` xmlns="${S3_NAMESPACE}"`).text;
}

/**
 * Control characters go out as references, as S3 sends them: XML 1.0 has no form for most of them, so a client that
 * has such keys asks for `encoding-type=url`. U+FFFE, U+FFFF and lone halves of surrogates have no form at all.
 */
function escapeText(text: string): string {
  return text
    .toWellFormed()
    .replace(/[&<>"\p{Cc}\ufffe\uffff]/gu, (character) => ESCAPES[character] ?? reference(character));
}

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "\ufffe": "\ufffd",
  "\uffff": "\ufffd",
};

function reference(character: string): string {
  return `&#x${character.charCodeAt(0).toString(16).toUpperCase()};`;
}

/** An element as read: its text, or its children by name, each a list in order. */
export interface XmlElement {
  readonly text: string;
  readonly children: ReadonlyMap<string, readonly XmlElement[]>;
}

const parser = new XMLParser({
  ignoreAttributes: true,
  ignoreDeclaration: true,
  ignorePiTags: true,
  removeNSPrefix: true,
  parseTagValue: false,
  trimValues: false,
  // Entities are decoded here, not there: the five of XML and character references, nothing that a document defines.
  processEntities: false,
  preserveOrder: true,
  maxNestedTags: 16,
});

/**
 * The root element of `text`, which must be called `root`.
 * @throws S3Error MalformedXML for anything else; a document type is refused whatever it says.
 */
export function parseXml(text: string, root: string): XmlElement {
  if (/<!DOCTYPE|<!ENTITY/i.test(text)) throw malformed();
  let nodes: unknown;
  try {
    nodes = parser.parse(text, true);
  } catch {
    throw malformed();
  }
  const found = readChildren(nodes).children.get(root);
  if (found?.length !== 1) throw malformed();
  return found[0]!;
}

export function malformed(): S3Error {
  return new S3Error(
    "MalformedXML",
    "The XML you provided was not well-formed or did not validate against our published schema",
  );
}

/** The text of the only child called `name`; `undefined` where there is none. */
export function childText(parent: XmlElement, name: string): string | undefined {
  const found = parent.children.get(name);
  if (found === undefined) return undefined;
  if (found.length !== 1) throw malformed();
  return found[0]!.text;
}

/** fast-xml-parser's ordered form: `[{ name: [children] } | { "#text": text }]`. */
function readChildren(nodes: unknown): XmlElement {
  const children = new Map<string, XmlElement[]>();
  let text = "";
  for (const node of Array.isArray(nodes) ? (nodes as Record<string, unknown>[]) : []) {
    for (const [name, value] of Object.entries(node)) {
      if (name === "#text") text += decodeEntities(String(value));
      else if (Array.isArray(value)) {
        const list = children.get(name) ?? [];
        list.push(readChildren(value));
        children.set(name, list);
      }
    }
  }
  return { text, children };
}

const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

function decodeEntities(text: string): string {
  return text.replace(/&([^;&]{0,10};?)/g, (_all, body: string) => {
    const name = body.endsWith(";") ? body.slice(0, -1) : "";
    const named = Object.hasOwn(ENTITIES, name) ? ENTITIES[name] : undefined;
    if (named !== undefined) return named;
    const digits = /^#(?:x([0-9a-fA-F]{1,6})|([0-9]{1,7}))$/.exec(name);
    const point =
      digits === null
        ? Number.NaN
        : digits[1] === undefined
          ? Number(digits[2])
          : Number.parseInt(digits[1], 16);
    if (!(point <= 0x10_ffff) || (point >= 0xd800 && point < 0xe000)) throw malformed();
    return String.fromCodePoint(point);
  });
}
