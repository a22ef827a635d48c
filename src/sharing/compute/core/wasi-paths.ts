/** How a path is followed in a task's tree: never above the directory that it starts from. */
import { ERRNO, type Errno } from "./wasi-errno.ts";
import { MAX_DEPTH, MAX_NAME, type MemoryDirectory, type MemoryNode } from "./wasi-files.ts";

/** Where a path leads: the directory it lies in, its last name, and what is there. */
export interface Place {
  readonly parent: MemoryDirectory;
  readonly name: string;
  readonly node: MemoryNode | undefined;
}

/** Follows `path` from `from`. There are no symbolic links, so `..` is simply the one before. */
export function resolvePath(from: MemoryDirectory, path: string): Place | Errno {
  if (path.startsWith("/")) return ERRNO.notcapable;
  if (path.includes("\0")) return ERRNO.inval;
  const trail: MemoryDirectory[] = [from];
  const names = path.split("/").filter((name) => name !== "" && name !== ".");
  if (path === "") return ERRNO.noent;
  let place: Place = { parent: from, name: ".", node: from };
  for (const name of names) {
    const here = place.node;
    if (here === undefined) return ERRNO.noent;
    if (here.kind !== "directory") return ERRNO.notdir;
    if (name === "..") {
      if (trail.length < 2) return ERRNO.notcapable;
      trail.pop();
      place = { parent: trail.at(-2) ?? from, name: ".", node: trail.at(-1)! };
      continue;
    }
    if (name.length > MAX_NAME) return ERRNO.nametoolong;
    const node = here.entries.get(name);
    if (node?.kind === "directory") trail.push(node);
    if (trail.length > MAX_DEPTH) return ERRNO.nametoolong;
    place = { parent: here, name, node };
  }
  return place;
}
