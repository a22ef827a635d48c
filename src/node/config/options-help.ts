import { OPTIONS, type OptionCategory } from "./options.ts";

/** The text of -help: every option by category. */
export function optionsHelp(title: string): string {
  const lines = [title, "", "Usage:  bitcoind [options]", ""];
  const categories = new Set<OptionCategory>(Object.values(OPTIONS).map((spec) => spec.category));
  categories.delete("hidden");
  for (const category of categories) {
    lines.push(`${category}:`, "");
    for (const [name, spec] of Object.entries(OPTIONS)) {
      if (spec.category !== category) continue;
      lines.push(`  -${name}${spec.value === undefined ? "" : `=${spec.value}`}`);
      lines.push(`       ${spec.help}${spec.default === undefined ? "" : ` (default: ${spec.default})`}`, "");
    }
  }
  return `${lines.join("\n")}\n`;
}
