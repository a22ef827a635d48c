/** What pool and worker send each other. */
export interface JobMessage {
  readonly id: number;
  readonly job: unknown;
}

export type JobAnswer =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: { name: string; message: string; stack: string } };
