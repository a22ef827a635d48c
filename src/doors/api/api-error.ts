import type { ApiContext } from "./context.ts";
import type { ControlResult, SharingControl } from "./sharing-control.ts";

/** What the caller got wrong, or what is not there: the answer's status and text. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly statusCode: number;

  constructor(statusCode: number, message: string) {
    super(message);
    this.statusCode = statusCode;
  }
}

/** The sharing process's control. @throws ApiError 503 while it does not run, with the reason */
export function sharingOf(context: ApiContext): SharingControl {
  const sharing = context.sharing();
  if (sharing.state === "running") return sharing.control;
  throw new ApiError(503, `the sharing process is ${sharing.state}: ${sharing.reason}`);
}

/** The value of a verdict. @throws ApiError 409 with its reason */
export function unwrap<T>(result: ControlResult<T>): T {
  if (result.ok) return result.value;
  throw new ApiError(409, result.reason);
}
