/** 1 GiB at sixteen hosts in processes of their own: `npm run soak -- storage-hosts [MiB] [seed]`. */
import { NO_S3_CLIENTS } from "../interop/s3-clients.ts";
import { storageHosts } from "../interop/s3-hosts.ts";

export async function run([megabytes = "1024", seed = "1"]: string[]): Promise<void> {
  if (NO_S3_CLIENTS !== false) throw new Error(NO_S3_CLIENTS);
  const say = (line: string) => console.log(line);
  await storageHosts({ megabytes: Number(megabytes), seed: Number(seed), maxRss: 400e6, say });
}
