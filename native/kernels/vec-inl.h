// Small operations on vec that need nothing from the instruction set: the compiler's vector types do the
// rest.
#pragma once

inline vec load(const double* p) {
  vec v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
inline void store(double* p, vec v) { __builtin_memcpy(p, &v, sizeof v); }
inline vec splat(double x) {
  return x - vec{};
}  // not vec{} + x: that costs an addition, because it turns -0 into +0
inline vec select(mask m, vec a, vec b) { return (vec)(((mask)a & m) | ((mask)b & ~m)); }
inline vec abs(vec a) { return (vec)((mask)a & 0x7fffffffffffffff); }
// NaN in either argument gives b, as the x86 instructions do.
inline vec max(vec a, vec b) { return select((mask)(a > b), a, b); }
inline vec min(vec a, vec b) { return select((mask)(a < b), a, b); }
inline bool all(mask m) { return !any(~m); }

// Comparisons whose result only chooses lanes. An instruction set with registers for such masks defines its
// own.
#ifndef EXO_LANE_MASKS
inline mask less(vec a, vec b) { return (mask)(a < b); }
inline mask less_equal(vec a, vec b) { return (mask)(a <= b); }
inline mask equal(vec a, vec b) { return (mask)(a == b); }
inline void store_where(mask m, double* p, vec v) { store(p, select(m, v, load(p))); }
#endif

// v in a register. A compiler may load the same vector anew for every multiply-add that uses it: loads are
// what a product of small matrices then waits for.
inline vec held(vec v) {
#ifdef EXO_REGISTER
  __asm__("" : "+" EXO_REGISTER(v));
#endif
  return v;
}
