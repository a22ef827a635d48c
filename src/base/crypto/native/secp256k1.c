/*
 * Signature checks in batches for Freehold: libsecp256k1 (its single translation unit, as the npm package
 * bcrypto carries it) behind one N-API function,
 *
 *   verifyRows(rows: Uint8Array, count: number): number   the first row that fails, or -1
 *
 * A row is laid out as in signature-batch.ts. Built by tools/build-native.ts; absent where there is no compiler.
 *
 * Each check is a comparison of a sum of points, p*key + g*G: for ECDSA with r/s and z/s (x is r modulo n), for
 * Schnorr with -e and s (x is r, y even), for a tweak with 1 and the tweak. A batch shares what is dear in the
 * library's own functions: one scalar inversion for all s, one field inversion for all sums. That saves a fifth
 * of an ECDSA check and a third of a tweak's. What fails this way is asked of the library's own functions again.
 */
/* In angle brackets, or it would be this file. */
#include <secp256k1.c>
#include <node_api.h>

enum { STRIDE = 168, KEY = 4, SIGNATURE = 72, DIGEST = 136, GROUP = 64 };
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

/* One row through the library's public functions. */
static int verify_row(const secp256k1_context *ctx, const unsigned char *row) {
  secp256k1_pubkey key;
  secp256k1_xonly_pubkey xonly;
  secp256k1_ecdsa_signature signature;
  switch (row[0]) {
    case ROW_ECDSA:
      return secp256k1_ec_pubkey_parse(ctx, &key, row + KEY, row[1]) &&
             secp256k1_ecdsa_signature_parse_compact(ctx, &signature, row + SIGNATURE) &&
             secp256k1_ecdsa_verify(ctx, &signature, row + DIGEST, &key);
    case ROW_SCHNORR:
      return secp256k1_xonly_pubkey_parse(ctx, &xonly, row + KEY) &&
             secp256k1_schnorrsig_verify(ctx, row + SIGNATURE, row + DIGEST, &xonly);
    case ROW_TWEAK:
      return secp256k1_xonly_pubkey_parse(ctx, &xonly, row + KEY) &&
             secp256k1_xonly_pubkey_tweak_add_check(ctx, row + SIGNATURE, row[1], &xonly, row + DIGEST);
    default: return 0;
  }
}

/* A group of rows at work. */
typedef struct {
  secp256k1_ge key[GROUP];
  secp256k1_scalar p[GROUP], g[GROUP]; /* factors of the key and of G */
  secp256k1_scalar s[GROUP], product[GROUP];
  secp256k1_gej sum[GROUP];
  secp256k1_ge affine[GROUP];
} group;

static int parse_xonly(secp256k1_ge *key, const unsigned char *bytes) {
  secp256k1_fe x;
  return secp256k1_fe_set_b32(&x, bytes) && secp256k1_ge_set_xo_var(key, &x, 0);
}

/* Reads a row; 0 where its bytes are out of range. Leaves r in p, z in g, and s in s for ECDSA, else 1 in s. */
static int prepare(group *work, int i, const unsigned char *row) {
  int r_overflow = 0, s_overflow = 0;
  secp256k1_sha256 sha;
  secp256k1_fe rx;
  unsigned char hash[32];
  secp256k1_scalar_set_int(&work->s[i], 1);
  switch (row[0]) {
    case ROW_ECDSA:
      secp256k1_scalar_set_b32(&work->p[i], row + SIGNATURE, &r_overflow);
      secp256k1_scalar_set_b32(&work->s[i], row + SIGNATURE + 32, &s_overflow);
      secp256k1_scalar_set_b32(&work->g[i], row + DIGEST, NULL);
      return !r_overflow && !s_overflow && !secp256k1_scalar_is_zero(&work->p[i]) &&
             !secp256k1_scalar_is_zero(&work->s[i]) && !secp256k1_scalar_is_high(&work->s[i]) &&
             secp256k1_eckey_pubkey_parse(&work->key[i], row + KEY, row[1]);
    case ROW_SCHNORR:
      secp256k1_scalar_set_b32(&work->g[i], row + SIGNATURE + 32, &s_overflow);
      if (s_overflow || !secp256k1_fe_set_b32(&rx, row + SIGNATURE) || !parse_xonly(&work->key[i], row + KEY)) return 0;
      secp256k1_schnorrsig_sha256_tagged(&sha);
      secp256k1_sha256_write(&sha, row + SIGNATURE, 32);
      secp256k1_sha256_write(&sha, row + KEY, 32);
      secp256k1_sha256_write(&sha, row + DIGEST, 32);
      secp256k1_sha256_finalize(&sha, hash);
      secp256k1_scalar_set_b32(&work->p[i], hash, NULL);
      secp256k1_scalar_negate(&work->p[i], &work->p[i]);
      return 1;
    case ROW_TWEAK:
      secp256k1_scalar_set_b32(&work->g[i], row + DIGEST, &s_overflow);
      return !s_overflow && parse_xonly(&work->key[i], row + KEY);
    default: return 0;
  }
}

/* Divides r and z by s in ECDSA rows, with one inversion (Montgomery's trick). No s is zero. */
static void divide_by_s(group *work, int count, const unsigned char *rows) {
  secp256k1_scalar inverse, one;
  int i;
  work->product[0] = work->s[0];
  for (i = 1; i < count; i++) secp256k1_scalar_mul(&work->product[i], &work->product[i - 1], &work->s[i]);
  secp256k1_scalar_inverse_var(&inverse, &work->product[count - 1]);
  for (i = count - 1; i >= 0; i--) {
    one = inverse;
    if (i > 0) {
      secp256k1_scalar_mul(&one, &inverse, &work->product[i - 1]);
      secp256k1_scalar_mul(&inverse, &inverse, &work->s[i]);
    }
    if (rows[i * STRIDE] == ROW_ECDSA) {
      secp256k1_scalar_mul(&work->p[i], &work->p[i], &one);
      secp256k1_scalar_mul(&work->g[i], &work->g[i], &one);
    }
  }
}

static void add_up(const secp256k1_context *ctx, group *work, int i, int is_tweak) {
  secp256k1_gej key;
  if (is_tweak) {
    /* Without a factor of the key there is no table of its multiples to make. */
    secp256k1_scalar_set_int(&work->p[i], 0);
    secp256k1_gej_set_infinity(&key);
    secp256k1_ecmult(&ctx->ecmult_ctx, &work->sum[i], &key, &work->p[i], &work->g[i]);
    key = work->sum[i];
    secp256k1_gej_add_ge_var(&work->sum[i], &key, &work->key[i], NULL);
  } else {
    secp256k1_gej_set_ge(&key, &work->key[i]);
    secp256k1_ecmult(&ctx->ecmult_ctx, &work->sum[i], &key, &work->p[i], &work->g[i]);
  }
}

/* Compares x, and y's parity where it counts, with what the row claims. Bytes out of range equal no x. */
static int matches(group *work, int i, const unsigned char *row) {
  unsigned char x[32];
  secp256k1_ge *sum = &work->affine[i];
  if (work->sum[i].infinity) return 0;
  secp256k1_fe_normalize_var(&sum->x);
  secp256k1_fe_normalize_var(&sum->y);
  secp256k1_fe_get_b32(x, &sum->x);
  if (row[0] == ROW_ECDSA) {
    secp256k1_scalar reduced;
    secp256k1_scalar_set_b32(&reduced, x, NULL);
    secp256k1_scalar_get_b32(x, &reduced);
  } else if (secp256k1_fe_is_odd(&sum->y) != (row[0] == ROW_TWEAK ? row[1] : 0)) {
    return 0;
  }
  return memcmp(x, row + SIGNATURE, 32) == 0;
}

/* The first of at most GROUP rows that fails, or count. */
static int verify_group(const secp256k1_context *ctx, group *work, const unsigned char *rows, int count) {
  int i, good = 0;
  while (good < count && prepare(work, good, rows + good * STRIDE)) good++;
  if (good > 0) divide_by_s(work, good, rows);
  for (i = 0; i < good; i++) add_up(ctx, work, i, rows[i * STRIDE] == ROW_TWEAK);
  secp256k1_ge_set_all_gej_var(work->affine, work->sum, good);
  for (i = 0; i < good && matches(work, i, rows + i * STRIDE); i++) continue;
  while (i < count && verify_row(ctx, rows + i * STRIDE)) i++;
  return i;
}

static napi_value verify_rows(napi_env env, napi_callback_info info) {
  size_t argc = 2, length = 0;
  napi_value args[2], result;
  napi_typedarray_type type;
  void *data = NULL;
  uint32_t count = 0, i = 0;
  group work;
  if (napi_get_cb_info(env, info, &argc, args, NULL, NULL) != napi_ok || argc != 2 ||
      napi_get_typedarray_info(env, args[0], &type, &length, &data, NULL, NULL) != napi_ok ||
      type != napi_uint8_array || napi_get_value_uint32(env, args[1], &count) != napi_ok ||
      count > length / STRIDE) {
    napi_throw_range_error(env, NULL, "verifyRows: expects (Uint8Array of rows, count)");
    return NULL;
  }
  while (i < count) {
    int size = count - i < GROUP ? (int)(count - i) : GROUP;
    int good = verify_group(context(), &work, (const unsigned char *)data + (size_t)i * STRIDE, size);
    i += good;
    if (good < size) break;
  }
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
