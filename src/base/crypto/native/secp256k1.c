/*
 * Signature checks in batches for Freehold: libsecp256k1 (its single translation unit, as the npm package
 * bcrypto carries it) behind one N-API function,
 *
 *   verifyRows(rows: Uint8Array, count: number): number   the first row that fails, or -1
 *
 * A row is laid out as in signature-batch.ts. Built by tools/build-native.ts; absent where there is no compiler.
 */
/* In angle brackets, or it would be this file. */
#include <secp256k1.c>
#include <node_api.h>

enum { STRIDE = 168, KEY = 4, SIGNATURE = 72, DIGEST = 136 };
enum { ROW_ECDSA = 0, ROW_SCHNORR = 1, ROW_TWEAK = 2 };

/* One for all threads: verifying only reads it, and its tables are a megabyte. */
static secp256k1_context *shared_context = NULL;

static const secp256k1_context *context(void) {
  secp256k1_context *known = __atomic_load_n(&shared_context, __ATOMIC_ACQUIRE);
  if (known == NULL) {
    secp256k1_context *fresh = secp256k1_context_create(SECP256K1_CONTEXT_VERIFY);
    if (__atomic_compare_exchange_n(&shared_context, &known, fresh, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
      known = fresh;
    } else {
      secp256k1_context_destroy(fresh);
    }
  }
  return known;
}

static int verify_ecdsa(const secp256k1_context *ctx, const unsigned char *row) {
  secp256k1_pubkey key;
  secp256k1_ecdsa_signature signature;
  return secp256k1_ec_pubkey_parse(ctx, &key, row + KEY, row[1]) &&
         secp256k1_ecdsa_signature_parse_compact(ctx, &signature, row + SIGNATURE) &&
         secp256k1_ecdsa_verify(ctx, &signature, row + DIGEST, &key);
}

static int verify_schnorr(const secp256k1_context *ctx, const unsigned char *row) {
  secp256k1_xonly_pubkey key;
  return secp256k1_xonly_pubkey_parse(ctx, &key, row + KEY) &&
         secp256k1_schnorrsig_verify(ctx, row + SIGNATURE, row + DIGEST, &key);
}

static int verify_tweak(const secp256k1_context *ctx, const unsigned char *row) {
  secp256k1_xonly_pubkey key;
  return secp256k1_xonly_pubkey_parse(ctx, &key, row + KEY) &&
         secp256k1_xonly_pubkey_tweak_add_check(ctx, row + SIGNATURE, row[1], &key, row + DIGEST);
}

static int verify_row(const secp256k1_context *ctx, const unsigned char *row) {
  switch (row[0]) {
    case ROW_ECDSA: return verify_ecdsa(ctx, row);
    case ROW_SCHNORR: return verify_schnorr(ctx, row);
    case ROW_TWEAK: return verify_tweak(ctx, row);
    default: return 0;
  }
}

static napi_value verify_rows(napi_env env, napi_callback_info info) {
  size_t argc = 2, length = 0;
  napi_value args[2], result;
  napi_typedarray_type type;
  void *data = NULL;
  uint32_t count = 0, i = 0;
  if (napi_get_cb_info(env, info, &argc, args, NULL, NULL) != napi_ok || argc != 2 ||
      napi_get_typedarray_info(env, args[0], &type, &length, &data, NULL, NULL) != napi_ok ||
      type != napi_uint8_array || napi_get_value_uint32(env, args[1], &count) != napi_ok ||
      count > length / STRIDE) {
    napi_throw_range_error(env, NULL, "verifyRows: expects (Uint8Array of rows, count)");
    return NULL;
  }
  const secp256k1_context *ctx = context();
  while (i < count && verify_row(ctx, (const unsigned char *)data + (size_t)i * STRIDE)) i++;
  if (napi_create_int32(env, i == count ? -1 : (int32_t)i, &result) != napi_ok) return NULL;
  return result;
}

NAPI_MODULE_INIT() {
  napi_value function;
  if (napi_create_function(env, "verifyRows", NAPI_AUTO_LENGTH, verify_rows, NULL, &function) != napi_ok ||
      napi_set_named_property(env, exports, "verifyRows", function) != napi_ok) {
    return NULL;
  }
  return exports;
}
