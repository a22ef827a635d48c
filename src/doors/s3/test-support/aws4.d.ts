/** The part of aws4 that the tests use; it ships no types. */
declare module "aws4" {
  interface SignedRequest {
    service: "s3";
    region: string;
    host: string;
    method: string;
    path: string;
    headers: Record<string, string>;
    body?: Uint8Array;
    signQuery?: boolean;
  }

  const aws4: {
    sign(
      request: SignedRequest,
      credentials: { readonly accessKeyId: string; readonly secretAccessKey: string },
    ): SignedRequest;
  };
  export = aws4;
}
