/** Nobody answers. */
export class NotRunning extends Error {
  override readonly name = "NotRunning";
}

/** Nobody answers for the folder of a network. */
export function noNodeIn(folder: string): NotRunning {
  return new NotRunning(`No node is running in ${folder}: \`freehold start\` starts one.`);
}
