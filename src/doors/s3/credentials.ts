/** What an S3 tool is configured with. The secret signs; it is never sent, logged or shown in an error. */
export interface S3Credentials {
  /** 16 to 128 letters and digits. */
  readonly accessKey: string;
  readonly secretKey: string;
}
