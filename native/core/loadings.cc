#include "core/loadings.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

namespace exo {

namespace {

constexpr int MOST_SWEEPS = 40;
thread_local const std::int32_t* stop_flag = nullptr;
// Gram-Schmidt that leaves a larger share of a row leaves it orthogonal to rounding: no second pass.
constexpr double ENOUGH_LEFT = 0.01;

Rows identity(std::size_t n) {
  Rows out(n, n);
  for (std::size_t i = 0; i < n; ++i) out[i][i] = 1;
  return out;
}

// A lower triangle with the products of the rows of a: Householder reflections from the right, which leave
// every row its own digits.
Rows lower_triangle(Rows a) {
  const std::size_t n = a.rows, p = a.cols;
  std::vector<double> v(p);
  for (std::size_t k = 0; k < n && k + 1 < p; ++k) {
    look_at_stop();
    double* row = a[k];
    const double norm = std::sqrt(dot(row + k, row + k, p - k));
    if (norm == 0) continue;
    const double target = row[k] > 0 ? -norm : norm;
    for (std::size_t j = k; j < p; ++j) v[j] = row[j];
    v[k] -= target;
    const double beta = 1 / (norm * (norm + std::fabs(row[k])));
    for (std::size_t i = k; i < n; ++i) {
      double* other = a[i];
      subtract(other + k, beta * dot(other + k, v.data() + k, p - k), v.data() + k, p - k);
    }
  }
  const std::size_t kept = std::min(n, p);
  Rows out(n, kept);
  for (std::size_t i = 0; i < n; ++i) std::copy_n(a[i], kept, out[i]);
  return out;
}

// Columns [j, j + width) of a product, their sums in registers.
template <std::size_t width>
void multiply_columns(const Rows& a, const Rows& b, std::size_t j, Rows& out) {
  const double* const columns = b.v.data() + j;
  look_at_stop();
  for (std::size_t i = 0; i < a.rows; ++i) {
    double sums[width] = {};
    for (std::size_t k = 0; k < a.cols; ++k)
      for (std::size_t l = 0; l < width; ++l) sums[l] += a[i][k] * columns[k * b.cols + l];
    std::copy_n(sums, width, out[i] + j);
  }
}

void rotate(double* __restrict x, double* __restrict y, std::size_t n, double cosine, double sine) {
  for (std::size_t j = 0; j < n; ++j) {
    const double u = x[j], w = y[j];
    x[j] = cosine * u - sine * w;
    y[j] = sine * u + cosine * w;
  }
}

}  // namespace

StopScope::StopScope(const std::int32_t* flag) { stop_flag = flag; }
StopScope::~StopScope() { stop_flag = nullptr; }

void look_at_stop() {
  if (stop_flag && __atomic_load_n(stop_flag, __ATOMIC_RELAXED) != 0) throw Stopped{};
}

double squares(const Rows& a) { return dot(a.v.data(), a.v.data(), a.v.size()); }

Rows multiply(const Rows& a, const Rows& b) {
  Rows out(a.rows, b.cols);
  std::size_t j = 0;
  for (; j + 8 <= b.cols; j += 8) multiply_columns<8>(a, b, j, out);
  for (; j + 4 <= b.cols; j += 4) multiply_columns<4>(a, b, j, out);
  for (; j + 2 <= b.cols; j += 2) multiply_columns<2>(a, b, j, out);
  for (; j < b.cols; ++j) multiply_columns<1>(a, b, j, out);
  return out;
}

Rows multiply_transposed(const Rows& a, const Rows& b) {
  Rows out(a.rows, b.rows);
  for (std::size_t i = 0; i < a.rows; ++i) {
    look_at_stop();
    for (std::size_t j = 0; j < b.rows; ++j) out[i][j] = dot(a[i], b[j], a.cols);
  }
  return out;
}

Rows transposed(const Rows& a) {
  Rows out(a.cols, a.rows);
  for (std::size_t i = 0; i < a.rows; ++i)
    for (std::size_t j = 0; j < a.cols; ++j) out[j][i] = a[i][j];
  return out;
}

void add_scaled(Rows& to, double factor, const Rows& a) {
  for (std::size_t i = 0; i < to.v.size(); ++i) to.v[i] += factor * a.v[i];
}

Rows rows_of(const Rows& a, std::size_t begin, std::size_t count) {
  Rows out(count, a.cols);
  std::copy_n(a.v.data() + begin * a.cols, count * a.cols, out.v.data());
  return out;
}

namespace {

// One-sided Jacobi rotations until the rows are orthogonal; `turn`, where wanted, takes part in them.
// Returns the rows' squares.
std::vector<double> rotate_apart(Rows& l, Rows* turn) {
  const std::size_t n = l.rows;
  std::vector<double> length(n);
  for (std::size_t i = 0; i < n; ++i) length[i] = dot(l[i], l[i], l.cols);
  // A row this short is the rounding of the longest: nothing to turn, and it would never come to rest.
  const double nothing = ORTHOGONAL_ROWS * ORTHOGONAL_ROWS * squares(l);
  for (int sweep = 0; sweep < MOST_SWEEPS; ++sweep) {
    bool turned = false;
    for (std::size_t i = 0; i < n; ++i) {
      look_at_stop();
      for (std::size_t j = i + 1; j < n; ++j) {
        const double x = length[i], y = length[j];
        if (!(x > nothing && y > nothing)) continue;
        const double product = dot(l[i], l[j], l.cols);
        if (!(std::fabs(product) > ORTHOGONAL_ROWS * std::sqrt(x) * std::sqrt(y))) continue;
        const double half = (y - x) / (2 * product);
        const double tangent = (half < 0 ? -1 : 1) / (std::fabs(half) + std::sqrt(1 + half * half));
        const double cosine = 1 / std::sqrt(1 + tangent * tangent), sine = cosine * tangent;
        rotate(l[i], l[j], l.cols, cosine, sine);
        if (turn) rotate((*turn)[i], (*turn)[j], n, cosine, sine);
        length[i] = dot(l[i], l[i], l.cols);
        length[j] = dot(l[j], l[j], l.cols);
        turned = true;
      }
    }
    if (!turned) break;
  }
  return length;
}

}  // namespace

Rows orthogonal_turn(const Rows& a) {
  const std::size_t n = a.rows;
  Rows l = lower_triangle(a), turn = identity(n);
  const std::vector<double> length = rotate_apart(l, &turn);
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t i, std::size_t j) { return length[i] > length[j]; });
  Rows out(n, n);
  for (std::size_t i = 0; i < n; ++i) std::copy_n(turn[order[i]], n, out[i]);
  return out;
}

std::vector<double> singular_squares(const Rows& a) {
  Rows l = lower_triangle(a.cols < a.rows ? transposed(a) : a);
  std::vector<double> out = rotate_apart(l, nullptr);
  std::sort(out.begin(), out.end(), std::greater<>());
  out.resize(a.rows);
  return out;
}

// Two-sided Jacobi rotations.
std::vector<double> symmetric_eigen(const Rows& a, Rows& vectors) {
  const std::size_t n = a.rows;
  Rows m = a;
  vectors = identity(n);
  for (int sweep = 0; sweep < MOST_SWEEPS; ++sweep) {
    double off = 0, diagonal = 0;
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) (i == j ? diagonal : off) += m[i][j] * m[i][j];
    if (!(off > DIAGONAL * diagonal)) break;
    for (std::size_t i = 0; i < n; ++i) {
      look_at_stop();
      for (std::size_t j = i + 1; j < n; ++j) {
        if (m[i][j] == 0) continue;
        const double half = (m[j][j] - m[i][i]) / (2 * m[i][j]);
        const double tangent = (half < 0 ? -1 : 1) / (std::fabs(half) + std::sqrt(1 + half * half));
        const double cosine = 1 / std::sqrt(1 + tangent * tangent), sine = cosine * tangent;
        rotate(m[i], m[j], n, cosine, sine);
        for (std::size_t k = 0; k < n; ++k) rotate(&m[k][i], &m[k][j], 1, cosine, sine);
        rotate(vectors[i], vectors[j], n, cosine, sine);
      }
    }
  }
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t i, std::size_t j) { return m[i][i] > m[j][j]; });
  std::vector<double> values(n);
  Rows sorted(n, n);
  for (std::size_t i = 0; i < n; ++i) {
    values[i] = m[order[i]][order[i]];
    std::copy_n(vectors[order[i]], n, sorted[i]);
  }
  vectors = sorted;
  return values;
}

void orthogonalise(double* row, const Rows& basis, std::size_t count, double* along) {
  constexpr std::size_t at_once = 16;  // products that need not wait for each other
  const std::size_t n = basis.cols;
  const double before = dot(row, row, n);
  look_at_stop();
  for (int pass = 0; pass < 2 && count > 0; ++pass) {
    for (std::size_t k = 0; k < count; k += at_once) {
      const std::size_t here = std::min(at_once, count - k);
      double products[at_once];
      for (std::size_t i = 0; i < here; ++i) products[i] = dot(row, basis[k + i], n);
      for (std::size_t i = 0; i < here; ++i) {
        subtract(row, products[i], basis[k + i], n);
        if (along) along[k + i] += products[i];
      }
    }
    if (dot(row, row, n) > ENOUGH_LEFT * before) break;
  }
}

Rows beside(Rows v, const Rows& basis) {
  for (std::size_t i = 0; i < v.rows; ++i) orthogonalise(v[i], basis, basis.rows, nullptr);
  return v;
}

Rows unit_rows(Rows a, const Rows& whole) {
  for (std::size_t i = 0; i < a.rows; ++i) {
    const double square = dot(a[i], a[i], a.cols);
    const bool there = square > VOID_LOADINGS * dot(whole[i], whole[i], whole.cols);
    const double length = std::sqrt(square);
    for (std::size_t j = 0; j < a.cols; ++j) a[i][j] = there ? a[i][j] / length : 0;
  }
  return a;
}

Rows orthonormal_in_order(Rows a, std::vector<double>* left) {
  if (left) left->assign(a.rows, 0);
  for (std::size_t i = 0; i < a.rows; ++i) {
    orthogonalise(a[i], a, i, nullptr);
    const double square = dot(a[i], a[i], a.cols);
    if (left) (*left)[i] = square;
    const double length = std::sqrt(square);
    for (std::size_t j = 0; j < a.cols; ++j) a[i][j] = square > VOID_LOADINGS ? a[i][j] / length : 0;
  }
  return a;
}

std::vector<double> left_after(Rows target, const Rows& basis, std::size_t count) {
  std::vector<double> left{squares(target)};
  for (std::size_t i = 0; i < count; ++i) {
    look_at_stop();
    for (std::size_t t = 0; t < target.rows; ++t)
      subtract(target[t], dot(target[t], basis[i], target.cols), basis[i], target.cols);
    left.push_back(squares(target));
  }
  return left;
}

}  // namespace exo
