/**
 * Holds every import under src/ against the table in layers.ts, and finds import cycles between files.
 * Prints each violation as `file: what and why`, exits 1 when there is one.
 */
import { globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { LAYERS, PURE, TYPES_ONLY } from "./layers.ts";

const IMPORT =
  /(?:^|\n)\s*(import|export)(\s+type)?\s[^"';]*?from\s+"([^"]+)"|(?:^|\n)\s*import\s+"([^"]+)"|import\(\s*"([^"]+)"\s*\)/g;

interface ImportSite {
  readonly target: string;
  readonly typeOnly: boolean;
}

/** The folder of the table that a path under src/ belongs to: the longest row that is its prefix. */
export function layerOf(path: string): string | undefined {
  const folder = dirname(path);
  let best: string | undefined;
  for (const row of Object.keys(LAYERS)) {
    if (
      (folder === row || folder.startsWith(`${row}/`)) &&
      (best === undefined || row.length > best.length)
    ) {
      best = row;
    }
  }
  return best;
}

/** Every import of a source text. A line comment that only looks like an import is not matched (`^\s*`). */
export function importsOf(source: string): ImportSite[] {
  const sites: ImportSite[] = [];
  for (const match of source.matchAll(IMPORT)) {
    const target = match[3] ?? match[4] ?? match[5];
    if (target !== undefined) sites.push({ target, typeOnly: match[2] !== undefined });
  }
  return sites;
}

/** The violations of one file, as lines for people. `path` is relative to src/. */
export function violationsOf(path: string, source: string): string[] {
  const layer = layerOf(path);
  if (layer === undefined) return [`src/${path}: its folder has no row in tools/layers.ts`];
  const isTest = path.endsWith(".test.ts");
  const found: string[] = [];
  for (const { target, typeOnly } of importsOf(source)) {
    if (target.startsWith("node:")) {
      if (PURE.includes(layer) && !isTest && !typeOnly) {
        found.push(`src/${path}: ${layer} is pure and may not import ${target}`);
      }
      continue;
    }
    const resolved = resolveInside(path, target);
    if (resolved === undefined) continue;
    if (resolved.startsWith("..")) {
      if (!isTest) found.push(`src/${path}: imports ${target}, outside src/`);
      continue;
    }
    const other = layerOf(resolved);
    if (other === layer) continue;
    const isOwnSubfolder = other?.startsWith(`${layer}/`) === true;
    if (target.startsWith("../") && !isOwnSubfolder) {
      found.push(`src/${path}: crosses folders with ${target}; write #${resolved}`);
      continue;
    }
    if (other !== undefined && LAYERS[layer]?.includes(other)) continue;
    if (typeOnly && other !== undefined && TYPES_ONLY[layer]?.includes(other)) continue;
    found.push(`src/${path}: ${layer} may not import ${other ?? resolved}`);
  }
  return found;
}

/** Import cycles among files: each as the list of files that closes it. Type-only imports do not run and do not count. */
export function cyclesOf(files: ReadonlyMap<string, string>): string[][] {
  const edges = new Map<string, string[]>();
  for (const [path, source] of files) {
    const targets = importsOf(source).filter((site) => !site.typeOnly);
    edges.set(
      path,
      targets.map((site) => resolveInside(path, site.target)).filter((target) => target !== undefined),
    );
  }
  const cycles: string[][] = [];
  const state = new Map<string, "open" | "done">();
  const trail: string[] = [];
  const visit = (path: string): void => {
    if (state.get(path) === "done") return;
    if (state.get(path) === "open") {
      cycles.push([...trail.slice(trail.indexOf(path)), path]);
      return;
    }
    state.set(path, "open");
    trail.push(path);
    for (const next of edges.get(path) ?? []) if (files.has(next)) visit(next);
    trail.pop();
    state.set(path, "done");
  };
  for (const path of files.keys()) visit(path);
  return cycles;
}

function resolveInside(path: string, target: string): string | undefined {
  if (target.startsWith("#")) return target.slice(1);
  if (target.startsWith(".")) return normalize(join(dirname(path), target));
  return undefined;
}

if (import.meta.main) {
  const root = join(import.meta.dirname, "..", "src");
  const files = new Map<string, string>();
  for (const path of globSync("**/*.ts", { cwd: root }).sort()) {
    files.set(path.replaceAll("\\", "/"), readFileSync(join(root, path), "utf8"));
  }
  const problems = [...files].flatMap(([path, source]) => violationsOf(path, source));
  for (const cycle of cyclesOf(files)) problems.push(`import cycle: ${cycle.join(" → ")}`);
  for (const problem of problems) console.error(problem);
  console.log(`layers: ${files.size} files, ${problems.length} violations`);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
