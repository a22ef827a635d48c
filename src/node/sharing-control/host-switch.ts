import { z } from "zod";
import type { FileSystem } from "#base/store/file-system.ts";
import { readIfThere, writeAtomically } from "#base/store/write-atomically.ts";
import type { HostSwitch } from "./host-control.ts";

/** Given away until the user says how much: nothing. */
const OFF: HostSwitch = { on: false, limitBytes: 0 };

const stored: z.ZodType<HostSwitch> = z.strictObject({
  on: z.boolean(),
  limitBytes: z.number().int().min(0),
  limitBytesPerAccount: z.number().int().min(0).exactOptional(),
  keepDays: z.number().int().min(1).exactOptional(),
});

export interface HostSwitchFile {
  readonly state: HostSwitch;
  /** Durable when it resolves. */
  remember(state: HostSwitch): Promise<void>;
}

/** Whether this node hosts, and how much, from the file at `path`. @throws when it is damaged */
export async function openHostSwitch(files: FileSystem, path: string): Promise<HostSwitchFile> {
  const bytes = await readIfThere(files, path, 4096);
  const remember = (state: HostSwitch) =>
    writeAtomically(files, path, new TextEncoder().encode(`${JSON.stringify(state)}\n`));
  if (bytes === undefined) return { state: OFF, remember };
  try {
    return { state: stored.parse(JSON.parse(new TextDecoder().decode(bytes))), remember };
  } catch {
    throw new Error(`${path} is damaged: remove it, then say anew how much this node hosts`);
  }
}
