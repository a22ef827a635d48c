// kernels/erasure with relaxed swizzles, which x86 does in one instruction. Where the index is under 16, as a nibble
// is, they are as deterministic as plain ones. For engines without relaxed SIMD there is the plain kernel.

export { heapBase, makeTables, product } from "../erasure/erasure";
