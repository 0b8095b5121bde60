// Small linear algebra on L = LANES problems at once, one per SIMD lane (the *lanes* family of kernels.h).
//
// Storage: element (i, j) of a (rows, cols, L) array is the vector at a + (i * cols + j) * L. Rows, sizes and
// strides below count vectors; the helpers lane_load and lane_store turn an index of vectors into an address.
// No lane reads another lane's values. Where lanes take different paths (deflation), the path is chosen per
// lane by masks, and a lane that does not take part keeps its bits.
#pragma once
#include "kernels/vec-inl.h"

inline vec lane_load(const double* p, std::size_t i) { return load(p + i * LANES); }
inline void lane_store(double* p, std::size_t i, vec v) { store(p + i * LANES, v); }
template <typename M>
inline void lane_store_where(M m, double* p, std::size_t i, vec v) {
  store_where(m, p + i * LANES, v);
}

// The flag of the job that this thread works for; null where nobody may end it. A problem of hundreds of rows
// is left in the middle once the flag is not 0, and what it holds then is never looked at.
static thread_local const std::int32_t* lanes_flag = nullptr;
constexpr std::size_t LONG_STEP = 1 << 14;  // vectors that a step works on, for which the flag is looked at
inline bool lanes_stopped(std::size_t step) {
  return step >= LONG_STEP && lanes_flag && __atomic_load_n(lanes_flag, __ATOMIC_RELAXED) != 0;
}

inline vec with_sign(vec magnitude, vec sign) {
  const mask bit = mask{} + INT64_MIN;
  return (vec)(((mask)magnitude & ~bit) | ((mask)sign & bit));
}

// One ROWS x COLS tile of c = op(a) op(b), or of c += op(a) op(b): element (i, p) of op(a) is the vector
// a_row * i + a_col * p, and so on.
template <int ROWS, int COLS>
inline void gemm_tile_lanes(double* c, std::size_t c_row, const double* a, std::size_t a_row,
                            std::size_t a_col, const double* b, std::size_t b_row, std::size_t b_col,
                            std::size_t k, bool accumulate) {
  vec sum[ROWS][COLS];
  for (int i = 0; i < ROWS; ++i)
    for (int j = 0; j < COLS; ++j) sum[i][j] = vec{};
  for (std::size_t p = 0; p < k; ++p) {
    vec right[COLS];
    for (int j = 0; j < COLS; ++j) right[j] = lane_load(b, p * b_row + j * b_col);
    for (int i = 0; i < ROWS; ++i) {
      const vec left = held(lane_load(a, i * a_row + p * a_col));
      for (int j = 0; j < COLS; ++j) sum[i][j] = fma(left, right[j], sum[i][j]);
    }
  }
  for (int i = 0; i < ROWS; ++i)
    for (int j = 0; j < COLS; ++j)
      lane_store(c, i * c_row + j, accumulate ? lane_load(c, i * c_row + j) + sum[i][j] : sum[i][j]);
}

// Columns of a tile of four rows: what the registers hold.
constexpr int LANE_TILE = LANES == 8 ? 4 : 3;

// The last n columns, COLS at most, of ROWS rows of c: as one tile, so that their chains run side by side.
template <int ROWS, int COLS>
inline void gemm_last_lanes(double* c, std::size_t c_row, const double* a, std::size_t a_row,
                            std::size_t a_col, const double* b, std::size_t b_row, std::size_t b_col,
                            std::size_t n, std::size_t k, bool accumulate) {
  if (n == COLS)
    gemm_tile_lanes<ROWS, COLS>(c, c_row, a, a_row, a_col, b, b_row, b_col, k, accumulate);
  else if constexpr (COLS > 1)
    gemm_last_lanes<ROWS, COLS - 1>(c, c_row, a, a_row, a_col, b, b_row, b_col, n, k, accumulate);
}

// ROWS rows of c. Every element is the same chain of fma over p whatever its tile, so tiling never shows in
// the bits.
template <int ROWS>
inline void gemm_rows_lanes(double* c, std::size_t c_row, const double* a, std::size_t a_row,
                            std::size_t a_col, const double* b, std::size_t b_row, std::size_t b_col,
                            std::size_t n, std::size_t k, bool accumulate) {
  std::size_t j = 0;
  for (; j + LANE_TILE <= n; j += LANE_TILE)
    gemm_tile_lanes<ROWS, LANE_TILE>(c + j * LANES, c_row, a, a_row, a_col, b + j * b_col * LANES, b_row,
                                     b_col, k, accumulate);
  if (j < n)
    gemm_last_lanes<ROWS, LANE_TILE - 1>(c + j * LANES, c_row, a, a_row, a_col, b + j * b_col * LANES, b_row,
                                         b_col, n - j, k, accumulate);
}

// Into n columns of rows that are c_row wide.
inline void gemm_into_lanes(double* c, std::size_t c_row, const double* a, std::size_t a_row,
                            std::size_t a_col, const double* b, std::size_t b_row, std::size_t b_col,
                            std::size_t m, std::size_t n, std::size_t k, bool accumulate) {
  std::size_t i = 0;
  for (; i + 4 <= m && !lanes_stopped(n * k); i += 4)
    gemm_rows_lanes<4>(c + i * c_row * LANES, c_row, a + i * a_row * LANES, a_row, a_col, b, b_row, b_col, n,
                       k, accumulate);
  for (; i < m && !lanes_stopped(n * k); ++i)
    gemm_rows_lanes<1>(c + i * c_row * LANES, c_row, a + i * a_row * LANES, a_row, a_col, b, b_row, b_col, n,
                       k, accumulate);
}

inline void gemm_strided_lanes(double* c, const double* a, std::size_t a_row, std::size_t a_col,
                               const double* b, std::size_t b_row, std::size_t b_col, std::size_t m,
                               std::size_t n, std::size_t k, bool accumulate) {
  gemm_into_lanes(c, n, a, a_row, a_col, b, b_row, b_col, m, n, k, accumulate);
}

// c must not overlap a or b. With accumulate the product is added to c; without, c is overwritten whatever it
// holds.
//   nn: c (m,n,L) = a (m,k,L) b (k,n,L)
//   nt: c (m,n,L) = a (m,k,L) b (n,k,L)^T
//   tn: c (m,n,L) = a (k,m,L)^T b (k,n,L)
inline void gemm_nn_lanes(double* c, const double* a, const double* b, std::size_t m, std::size_t n,
                          std::size_t k, bool accumulate = false) {
  gemm_strided_lanes(c, a, k, 1, b, n, 1, m, n, k, accumulate);
}
inline void gemm_nt_lanes(double* c, const double* a, const double* b, std::size_t m, std::size_t n,
                          std::size_t k, bool accumulate = false) {
  gemm_strided_lanes(c, a, k, 1, b, 1, k, m, n, k, accumulate);
}
inline void gemm_tn_lanes(double* c, const double* a, const double* b, std::size_t m, std::size_t n,
                          std::size_t k, bool accumulate = false) {
  gemm_strided_lanes(c, a, 1, m, b, n, 1, m, n, k, accumulate);
}
