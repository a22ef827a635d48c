import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync } from "node:fs";
import { chmod, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ApiContext } from "#doors/api/context.ts";
import type { ApiServer } from "#doors/api/server.ts";
import type { DataPaths } from "#node/config/data-directory.ts";

/** The built page. */
const PAGE = join(import.meta.dirname, "../../web/dist");

export interface OpenApi {
  /** `http://127.0.0.1:8420`. */
  readonly address: string;
  /** A link that logs a browser in, once. */
  loginLink(): string;
  close(): Promise<void>;
}

/**
 * Opens the API's door and writes `.api-cookie`: its address and, on the second line, the token of this run.
 * @throws Error with a text for the user when the port is taken
 */
export async function openApi(
  listen: { readonly port: number; readonly orNext: boolean },
  paths: DataPaths,
  context: Omit<ApiContext, "incoming" | "jobs">,
): Promise<OpenApi> {
  // Only now: a node without this door pays nothing for it at its start.
  const { openApiServer } = await import("#doors/api/server.ts");
  // What was uploaded for a job is the job's by now.
  await rm(paths.incoming, { recursive: true, force: true });
  mkdirSync(paths.incoming, { recursive: true, mode: 0o700 });
  const token = randomBytes(32).toString("base64url");
  const page = existsSync(join(PAGE, "index.html")) ? PAGE : undefined;
  const server: ApiServer = await openApiServer(
    { ...listen, token, page },
    { ...context, incoming: paths.incoming, jobs: join(paths.sharing, "jobs") },
  );
  const address = `http://127.0.0.1:${server.port}`;
  await writeCookie(paths.apiCookie, `${address}\n${token}\n`);
  return {
    address,
    loginLink: () => server.loginLink(),
    async close() {
      await rm(paths.apiCookie, { force: true });
      await server.close();
    },
  };
}

async function writeCookie(path: string, text: string): Promise<void> {
  await rm(`${path}.tmp`, { force: true });
  await writeFile(`${path}.tmp`, text, { mode: 0o600 });
  // Whatever the umask says.
  await chmod(`${path}.tmp`, 0o600);
  await rename(`${path}.tmp`, path);
}
