// The data-level route: joint second moments in, the one solver of docs/theory.md section 2, encoders out.
#include <cmath>

#include "core/conventions.h"
#include "core/pool.h"
#include "core/regression.h"
#include "core/stages.h"

namespace exo {
namespace {

bool is_noise(const Term& t) { return t.variable == ENCODER_NOISE || t.variable == DECODER_NOISE; }

std::size_t block_inner(const MomentsBatch& p, const Block& b) {
  return b.terms[0].variable == ACTION ? p.action_dim : p.observation_dim;
}
std::size_t block_width(const MomentsBatch& p, const Block& b) {
  return b.projected ? p.projected : block_inner(p, b);
}
std::size_t stack_width(const MomentsBatch& p, const Stack& s) {
  std::size_t width = 0;
  for (std::int32_t b = 0; b < s.count; ++b) width += block_width(p, s.blocks[b]);
  return width;
}

class Problem {
 public:
  Problem(const Kernels& kernels, const MomentsBatch& batch, std::size_t index)
      : k_(kernels), p_(batch), index_(index), s_(batch.moments + index * batch.width * batch.width) {
    projection_ = Matrix(p_.projected, p_.projected ? p_.observation_dim : 0);
    std::copy(p_.projection, p_.projection + projection_.a.size(), projection_.data());
  }

  double coefficient(std::int32_t column) const {
    return column < 0 ? 1.0 : p_.coefficients[static_cast<std::size_t>(column) * p_.count + index_];
  }

  Matrix covariance(const Stack& a, const Stack& b) const {
    Matrix out(stack_width(p_, a), stack_width(p_, b));
    std::size_t row = 0;
    for (std::int32_t i = 0; i < a.count; ++i) {
      std::size_t col = 0;
      for (std::int32_t j = 0; j < b.count; ++j) {
        const Matrix cell = covariance(a.blocks[i], b.blocks[j]);
        for (std::size_t r = 0; r < cell.rows; ++r)
          std::copy(cell.row(r), cell.row(r) + cell.cols, out.row(row + r) + col);
        col += cell.cols;
      }
      row += block_width(p_, a.blocks[i]);
    }
    return out;
  }

  const Matrix& projection() const { return projection_; }

 private:
  Matrix covariance(const Block& a, const Block& b) const {
    Matrix out(block_inner(p_, a), block_inner(p_, b));
    double noise = 0;
    for (std::int32_t i = 0; i < a.count; ++i)
      for (std::int32_t j = 0; j < b.count; ++j) {
        const Term &ta = a.terms[i], &tb = b.terms[j];
        const double c = ta.sign * tb.sign * coefficient(ta.coefficient) * coefficient(tb.coefficient);
        if (is_noise(ta) || is_noise(tb)) {
          if (ta.variable == tb.variable) noise += c;
          continue;
        }
        const auto ca = static_cast<std::size_t>(p_.column[ta.variable]);
        const auto cb = static_cast<std::size_t>(p_.column[tb.variable]);
        for (std::size_t r = 0; r < out.rows; ++r) {
          const double* from = s_ + (ca + r) * p_.width + cb;
          for (std::size_t q = 0; q < out.cols; ++q) out.at(r, q) += c * from[q];
        }
      }
    if (a.projected) out = times(k_, projection_, out);
    if (b.projected) out = times_nt(k_, out, projection_);
    for (std::size_t i = 0; noise != 0 && i < std::min(out.rows, out.cols); ++i) out.at(i, i) += noise;
    return out;
  }

  const Kernels& k_;
  const MomentsBatch& p_;
  std::size_t index_;
  const double* s_;
  Matrix projection_;
};

bool same_stack(const Stack& a, const Stack& b) {
  if (a.count != b.count) return false;
  for (std::int32_t i = 0; i < a.count; ++i) {
    const Block &x = a.blocks[i], &y = b.blocks[i];
    if (x.count != y.count || x.projected != y.projected) return false;
    for (std::int32_t t = 0; t < x.count; ++t)
      if (x.terms[t].variable != y.terms[t].variable || x.terms[t].coefficient != y.terms[t].coefficient ||
          x.terms[t].sign != y.terms[t].sign)
        return false;
  }
  return true;
}

// The rows of `weights` (latents, width of the stack) as maps of o and o': added, times sign, to c and d.
void add_encoder(const Kernels& k, const MomentsBatch& p, const Problem& problem, const Stack& stack,
                 const Matrix& weights, double sign, double* c, double* d) {
  std::size_t begin = 0;
  for (std::int32_t b = 0; b < stack.count; ++b) {
    const Block& block = stack.blocks[b];
    const std::size_t width = block_width(p, block);
    Matrix part(weights.rows, width);
    for (std::size_t i = 0; i < part.rows; ++i)
      std::copy(weights.row(i) + begin, weights.row(i) + begin + width, part.row(i));
    begin += width;
    if (block.terms[0].variable == ACTION) continue;
    if (block.projected) part = times(k, part, problem.projection());
    for (std::int32_t t = 0; t < block.count; ++t) {
      const Term& term = block.terms[t];
      if (term.variable > OBSERVATION_NEXT) continue;
      double* target = term.variable == OBSERVATION ? c : d;
      const double factor = sign * term.sign * problem.coefficient(term.coefficient);
      for (std::size_t i = 0; i < part.a.size(); ++i) target[i] += factor * part.a[i];
    }
  }
}

Status solve_one(const Kernels& k, const MomentsBatch& p, std::size_t index) {
  const Problem problem(k, p, index);
  const Objective& o = p.objective;
  const bool reconstructs = o.penalty_count == 0 && same_stack(o.y, o.e);

  const Matrix s_ff = problem.covariance(o.f, o.f), s_fe = problem.covariance(o.f, o.e);
  const Matrix s_fy = reconstructs ? s_fe : problem.covariance(o.f, o.y);
  Matrix gamma_e = s_fe, gamma_y;
  const Matrix regularised = with_ridge(s_ff, p.ridge);
  if (!solve_semidefinite(k, regularised, p.tolerance, gamma_e)) return NOT_CONVERGED;
  if (!reconstructs) {
    gamma_y = s_fy;
    if (!solve_semidefinite(k, regularised, p.tolerance, gamma_y)) return NOT_CONVERGED;
  }
  Matrix s_ee = residual_covariance(k, problem.covariance(o.e, o.e), s_fe, s_fe, s_ff, gamma_e, gamma_e);
  symmetrise(s_ee);
  const std::size_t ne = s_ee.rows;

  std::vector<double> lambda;
  Matrix g;  // row i: the i-th latent's weights on e
  double trace_y, variance_y;
  if (reconstructs) {
    trace_y = trace(s_ee);
    variance_y = trace(problem.covariance(o.e, o.e));
    g = s_ee;
    if (!eigen_symmetric(k, g, lambda)) return NOT_CONVERGED;
  } else {
    const Matrix whole = problem.covariance(o.y, o.y);
    variance_y = trace(whole);
    const Matrix s_yy = residual_covariance(k, whole, s_fy, s_fy, s_ff, gamma_y, gamma_y);
    const Matrix s_ye =
        residual_covariance(k, problem.covariance(o.y, o.e), s_fy, s_fe, s_ff, gamma_y, gamma_e);
    trace_y = trace(s_yy);
    Matrix u = s_ee;
    for (std::int32_t i = 0; i < o.penalty_count; ++i) {
      const Stack &given = o.penalties[i].given, &of = o.penalties[i].of;
      const Matrix p_gg = problem.covariance(given, given), p_go = problem.covariance(given, of);
      Matrix weights = p_go;
      if (!solve_semidefinite(k, with_ridge(p_gg, p.ridge), p.tolerance, weights)) return NOT_CONVERGED;
      const Matrix cov =
          residual_covariance(k, problem.covariance(of, of), p_go, p_go, p_gg, weights, weights);
      const double weight = problem.coefficient(o.penalties[i].weight);
      for (std::size_t j = 0; j < u.a.size(); ++j) u.a[j] += weight * cov.a[j];
    }
    symmetrise(u);
    std::vector<double> variance;
    if (!eigen_symmetric(k, u, variance)) return NOT_CONVERGED;
    // Whitened coordinates: N = S_ye U / sqrt(variance), M = N N^T has the eigenvalues of N^T N.
    for (std::size_t i = 0; i < ne; ++i) {
      const double scale =
          variance[i] > p.tolerance * std::max(variance[0], 0.0) ? 1 / std::sqrt(variance[i]) : 0;
      for (std::size_t j = 0; j < ne; ++j) u.at(i, j) *= scale;
    }
    const Matrix n = times_nt(k, s_ye, u);
    if (n.rows < ne) {
      // The smaller problem is N N^T = M itself: G = B^T N U. Rows of G beyond its own are zero.
      Matrix b = times_nt(k, n, n);
      symmetrise(b);
      if (!eigen_symmetric(k, b, lambda)) return NOT_CONVERGED;
      g = times(k, times(k, b, n), u);
      lambda.resize(ne, 0.0);
      g.a.resize(ne * ne, 0.0);
      g.rows = ne;
    } else {
      Matrix t = times_tn(k, n, n);
      symmetrise(t);
      if (!eigen_symmetric(k, t, lambda)) return NOT_CONVERGED;
      for (std::size_t i = 0; i < ne; ++i) {
        const double root = std::sqrt(std::max(lambda[i], 0.0));
        for (std::size_t j = 0; j < ne; ++j) t.at(i, j) *= root;
      }
      g = times(k, t, u);
    }
  }

  const bool empty = !(lambda[0] > VOID_MOMENTS * variance_y);
  std::int32_t rank = 0;
  for (const double value : lambda) rank += !empty && value > p.tolerance * std::max(lambda[0], 0.0) ? 1 : 0;
  p.rank[index] = rank;
  p.trace[index] = trace_y;
  double* spectrum = p.spectrum + index * ne;
  for (std::size_t i = 0; i < ne; ++i) spectrum[i] = std::max(lambda[i], 0.0);

  const std::size_t rows = std::min({p.latent, static_cast<std::size_t>(rank), ne});
  Matrix latents(rows, ne);
  for (std::size_t i = 0; i < rows; ++i) {
    // The sign of an eigenvector is free: the entry of largest magnitude is positive.
    double largest = 0, sign = 1;
    for (std::size_t j = 0; j < ne; ++j)
      if (std::fabs(g.at(i, j)) > largest * (1 + SIGN_TIE)) {
        largest = std::fabs(g.at(i, j));
        sign = g.at(i, j) < 0 ? -1 : 1;
      }
    for (std::size_t j = 0; j < ne; ++j) latents.at(i, j) = sign * g.at(i, j);
  }
  double* c = p.encoder_c + index * p.latent * p.observation_dim;
  double* d = p.encoder_d + index * p.latent * p.observation_dim;
  std::fill(c, c + p.latent * p.observation_dim, 0.0);
  std::fill(d, d + p.latent * p.observation_dim, 0.0);
  add_encoder(k, p, problem, o.e, latents, 1, c, d);
  if (o.innovation && o.f.count) add_encoder(k, p, problem, o.f, times_nt(k, latents, gamma_e), -1, c, d);
  if (!std::isfinite(trace_y) || !std::isfinite(spectrum[0])) return NON_FINITE;
  return empty ? EMPTY_PROBLEM : OK;
}

}  // namespace

std::size_t moments_bottleneck_width(const MomentsBatch& batch) {
  return stack_width(batch, batch.objective.e);
}

void solve_moments(const Kernels& kernels, const MomentsBatch& batch, Job& job) {
  job.expect(batch.count);
  parallel_for(job, batch.count, [&](std::size_t index, std::size_t) {
    batch.status[index] = solve_one(kernels, batch, index);
  });
}

}  // namespace exo
