// Products of the *dense* family of kernels.h: one large row-major problem.
//
// Every sum runs in a fixed order that depends on the sizes alone, so the bits do not depend on how a caller
// splits the columns of an output or its problems over threads.
#pragma once
#include "kernels/vec-inl.h"

// c = beta c + alpha a b, made of tiles of TILE_ROWS x TILE_COLS that stay in registers while p runs over
// DEPTH terms. The panel of b that a column of tiles shares is packed for L1, the block of a for L2.
//
// Element (i, j) is the same sequence of operations wherever its tile begins: an fma chain over each DEPTH of
// p, and each chain added to c. So a part of a product equals the same part of the whole, bit by bit.
enum class Part { FULL, UPPER, LOWER };  // which triangle of c is wanted, the diagonal included

// Element (i, j) is at[i * row + j * col]: a transpose is a swap of strides.
template <class T>
struct View {
  const T* at;
  std::size_t row, col;
};

// One full register of T: vec or vecf.
template <class T>
struct Register;
template <>
struct Register<double> {
  using type = vec;
};
template <>
struct Register<float> {
  using type = vecf;
};
template <class T>
constexpr std::size_t WIDTH = sizeof(vec) / sizeof(T);
template <class T>
inline typename Register<T>::type load_of(const T* p) {
  typename Register<T>::type v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
template <class T>
inline typename Register<T>::type splat_of(T x) {
  return x - typename Register<T>::type{};
}

constexpr std::size_t TILE_ROWS = LANES == 8 ? 8 : 4, TILE_VECS = LANES == 2 ? 2 : 3;
template <class T>
constexpr std::size_t TILE_COLS = TILE_VECS * WIDTH<T>;
constexpr std::size_t DEPTH = LANES == 8 ? 128 : 192, HEIGHT = 128;

inline std::size_t smaller(std::size_t x, std::size_t y) { return x < y ? x : y; }

// panel[p * SIZE + i] = from[i * step + p] for as many i as fill whole registers: how many. Numbers change
// places in registers, a tile at a time: one by one they would take as long as a sixth of the product.
template <std::size_t SIZE>
inline std::size_t turn_into_panel(double* panel, const double* from, std::size_t step, std::size_t width,
                                   std::size_t depth) {
  const std::size_t whole = width / LANES * LANES;
  for (std::size_t i = 0; i < whole; i += LANES) {
    std::size_t p = 0;
    for (; p + LANES <= depth; p += LANES) {
      vec tile[LANES];
      for (std::size_t l = 0; l < LANES; ++l) tile[l] = load(from + (i + l) * step + p);
      transpose(tile);
      for (std::size_t l = 0; l < LANES; ++l) store(panel + (p + l) * SIZE + i, tile[l]);
    }
    for (; p < depth; ++p)
      for (std::size_t l = 0; l < LANES; ++l) panel[p * SIZE + i + l] = from[(i + l) * step + p];
  }
  return whole;
}

// panel[p * SIZE + i] = from[i * step + p * next] for i < width. Where width ends inside a register, zeros
// follow.
template <std::size_t SIZE, class T>
inline void pack_panel(T* panel, const T* from, std::size_t step, std::size_t next, std::size_t width,
                       std::size_t depth) {
  if (step == 1 && width == SIZE) {
    for (std::size_t p = 0; p < depth; ++p)
      for (std::size_t i = 0; i < SIZE; ++i) panel[p * SIZE + i] = from[p * next + i];
  } else if (step == 1 && width % WIDTH<T> == 0) {
    for (std::size_t p = 0; p < depth; ++p)
      for (std::size_t i = 0; i < width; i += WIDTH<T>) {
        const auto x = load_of(from + p * next + i);
        __builtin_memcpy(panel + p * SIZE + i, &x, sizeof x);
      }
  } else {
    std::size_t i = 0;
    if constexpr (sizeof(T) == sizeof(double))
      if (next == 1) i = turn_into_panel<SIZE>(panel, from, step, width, depth);
    for (; i < SIZE; ++i)
      for (std::size_t p = 0; p < depth; ++p) panel[p * SIZE + i] = i < width ? from[i * step + p * next] : 0;
  }
}

// c (TILE_ROWS, VECS registers) = beta c + alpha a b, for a (TILE_ROWS,depth) and a panel b.
template <std::size_t VECS, class T>
__attribute__((noinline)) void product_tile(std::size_t depth, View<T> a, const T* b, T alpha, T beta, T* c,
                                            std::size_t ldc) {
  for (std::size_t i = 0; i < TILE_ROWS; ++i) __builtin_prefetch(c + i * ldc, 1);
  using Vec = typename Register<T>::type;
  Vec sum[TILE_ROWS][VECS];
  for (std::size_t i = 0; i < TILE_ROWS; ++i)
    for (std::size_t j = 0; j < VECS; ++j) sum[i][j] = Vec{};
  for (std::size_t p = 0; p < depth; ++p, a.at += a.col, b += TILE_COLS<T>) {
    Vec right[VECS];
    for (std::size_t j = 0; j < VECS; ++j) right[j] = load_of(b + j * WIDTH<T>);
    for (std::size_t i = 0; i < TILE_ROWS; ++i)
      for (std::size_t j = 0; j < VECS; ++j) sum[i][j] = fma(splat_of(a.at[i * a.row]), right[j], sum[i][j]);
  }
  for (std::size_t i = 0; i < TILE_ROWS; ++i)
    for (std::size_t j = 0; j < VECS; ++j) {
      T* out = c + i * ldc + j * WIDTH<T>;
      Vec x = splat_of(alpha) * sum[i][j];
      if (beta != 0) x = fma(splat_of(alpha), sum[i][j], splat_of(beta) * load_of(out));
      __builtin_memcpy(out, &x, sizeof x);
    }
}

// The tile of c at row `top`, column `left`; rows and cols are what c has of it. A tile that reaches beyond c
// or beyond its wanted part is made aside.
template <class T>
inline void product_at(Part part, std::size_t top, std::size_t left, std::size_t rows, std::size_t cols,
                       std::size_t depth, View<T> a, const T* b, T alpha, T beta, T* c, std::size_t ldc) {
  const auto tile = [&](T* to, std::size_t step) {
    const std::size_t vecs = (cols + WIDTH<T> - 1) / WIDTH<T>;
    if (vecs == 1) product_tile<1>(depth, a, b, alpha, beta, to, step);
    if (vecs == 2) product_tile<2>(depth, a, b, alpha, beta, to, step);
    if (vecs == 3) product_tile<TILE_VECS>(depth, a, b, alpha, beta, to, step);
  };
  T* out = c + top * ldc + left;
  const bool inside =
      part == Part::FULL || (part == Part::UPPER ? top + rows <= left + 1 : top + 1 >= left + cols);
  if (inside && rows == TILE_ROWS && cols % WIDTH<T> == 0) return tile(out, ldc);

  alignas(64) T aside[TILE_ROWS * TILE_COLS<T>] = {};
  const auto each = [&](auto copy) {
    for (std::size_t r = 0; r < rows; ++r)
      for (std::size_t q = 0; q < cols; ++q)
        if (part == Part::FULL || (part == Part::UPPER ? top + r <= left + q : top + r >= left + q))
          copy(aside[r * TILE_COLS<T> + q], out[r * ldc + q]);
  };
  if (beta != 0) each([](T& inside_tile, T& in_c) { inside_tile = in_c; });
  tile(aside, TILE_COLS<T>);
  each([](T& inside_tile, T& in_c) { in_c = inside_tile; });
}

// How many of the n columns that are left the next tiles take. One register alone is slow: four are taken as
// two and two.
template <class T>
inline std::size_t next_columns(std::size_t n) {
  if (TILE_VECS == 3 && n > TILE_COLS<T> && n <= 4 * WIDTH<T>) return 2 * WIDTH<T>;
  return smaller(n, TILE_COLS<T>);
}

template <class T>
inline void product(Part part, std::size_t m, std::size_t n, std::size_t k, T alpha, View<T> a, View<T> b,
                    T beta, T* c, std::size_t ldc) {
  static_assert((HEIGHT + TILE_COLS<T>)*DEPTH * sizeof(T) <= PACK_BYTES);
  T *left = (T*)pack_memory(), *right = left + HEIGHT * DEPTH;
  for (std::size_t i0 = 0; i0 < m; i0 += HEIGHT)
    for (std::size_t p0 = 0; p0 < k; p0 += DEPTH) {
      const std::size_t height = smaller(m - i0, HEIGHT), depth = smaller(k - p0, DEPTH);
      const T* block = a.at + i0 * a.row + p0 * a.col;
      // Rows of a are read in place where they are contiguous; whatever else is packed.
      const std::size_t in_place = a.col == 1 ? height / TILE_ROWS * TILE_ROWS : 0;
      for (std::size_t i = in_place; i < height; i += TILE_ROWS)
        pack_panel<TILE_ROWS>(left + i * depth, block + i * a.row, a.row, a.col,
                              smaller(height - i, TILE_ROWS), depth);
      for (std::size_t j = 0, cols = 0; j < n; j += cols) {
        cols = next_columns<T>(n - j);
        // rows [low, high) of the block meet the wanted part in these columns
        std::size_t low = 0, high = height;
        if (part == Part::UPPER) high = j + cols <= i0 ? 0 : smaller(j + cols - i0, height);
        if (part == Part::LOWER) low = j <= i0 ? 0 : (j - i0) / TILE_ROWS * TILE_ROWS;
        if (low >= high) continue;
        pack_panel<TILE_COLS<T>>(right, b.at + p0 * b.row + j * b.col, b.col, b.row, cols, depth);
        for (std::size_t i = low; i < high; i += TILE_ROWS) {
          const View<T> rows =
              i < in_place ? View<T>{block + i * a.row, a.row, 1} : View<T>{left + i * depth, 1, TILE_ROWS};
          product_at<T>(part, i0 + i, j, smaller(height - i, TILE_ROWS), cols, depth, rows, right, alpha,
                        p0 == 0 ? beta : 1, c, ldc);
        }
      }
    }
}

// c (m,n) = beta c + alpha op(a) op(b): see kernels.h.
template <class T>
inline void gemm(bool transpose_a, bool transpose_b, std::size_t m, std::size_t n, std::size_t k, T alpha,
                 const T* a, std::size_t lda, const T* b, std::size_t ldb, T beta, T* c, std::size_t ldc) {
  if (k == 0 || alpha == 0) {
    for (std::size_t i = 0; i < m; ++i)
      for (std::size_t j = 0; j < n; ++j) c[i * ldc + j] = beta == 0 ? 0 : beta * c[i * ldc + j];
    return;
  }
  product<T>(Part::FULL, m, n, k, alpha, transpose_a ? View<T>{a, 1, lda} : View<T>{a, lda, 1},
             transpose_b ? View<T>{b, 1, ldb} : View<T>{b, ldb, 1}, beta, c, ldc);
}

// The upper triangle of c (n,n) += x^T x, n <= SYRK_COLS: x is packed once, its panels serve as both factors.
constexpr std::size_t SYRK_COLS = 264;
inline void syrk_block(std::size_t rows, std::size_t n, const double* x, std::size_t ldx, double* c,
                       std::size_t ldc) {
  constexpr std::size_t COLS = TILE_COLS<double>;
  constexpr std::size_t STRIDE = DEPTH * COLS + 8;  // a cache line more: panels start in different cache sets
  static_assert((SYRK_COLS + COLS - 1) / COLS * STRIDE * sizeof(double) <= PACK_BYTES);
  double* panels = (double*)pack_memory();
  for (std::size_t p0 = 0; p0 < rows; p0 += DEPTH) {
    const std::size_t depth = smaller(rows - p0, DEPTH);
    for (std::size_t p = 0; p < depth; ++p) {
      const double* from = x + (p0 + p) * ldx;
      double* to = panels + p * COLS;
      std::size_t j = 0;
      for (; j + COLS <= n; j += COLS, to += STRIDE)
        for (std::size_t v = 0; v < COLS; v += LANES) store(to + v, load(from + j + v));
      for (std::size_t q = 0; j < n && q < COLS; ++q) to[q] = j + q < n ? from[j + q] : 0;
    }
    for (std::size_t j = 0; j < n; j += COLS) {
      const double* right = panels + j / COLS * STRIDE;
      const std::size_t cols = smaller(n - j, COLS);
      for (std::size_t i = 0; i < j + cols; i += TILE_ROWS) {
        const std::size_t skip = i <= j ? 0 : (i - j) / LANES * LANES;  // whole vectors left of the diagonal
        const View<double> rows_of_a{panels + i / COLS * STRIDE + i % COLS, 1, COLS};
        product_at<double>(Part::UPPER, i, j + skip, smaller(n - i, TILE_ROWS), cols - skip, depth, rows_of_a,
                           right + skip, 1, 1, c, ldc);
      }
    }
  }
}

// c (n,n) += x^T x for x (rows,n): see kernels.h.
inline void syrk_accumulate(std::size_t rows, std::size_t n, const double* x, std::size_t ldx, double* c,
                            std::size_t ldc) {
  for (std::size_t j = 0; j < n; j += SYRK_COLS) {
    const std::size_t cols = smaller(n - j, SYRK_COLS);
    if (j > 0 && rows > 0) gemm<double>(true, false, j, cols, rows, 1, x, ldx, x + j, ldx, 1, c + j, ldc);
    syrk_block(rows, cols, x + j, ldx, c + j * ldc + j, ldc);
  }
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < i; ++j) c[i * ldc + j] = c[j * ldc + i];
}
